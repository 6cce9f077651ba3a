// A request by hand: a form from the schema, pictures, the answer, and what it cost.
import { api, Badge, Certainty, Copy, html, Json, local, money, pictures as picturesIn, t, Trouble, useApi, useEffect, useMemo, useRef, useState } from "./lib.js";
import { assemble, fieldsOf, limits, pictureCounts, problem } from "./form.js";
import { short } from "./reference.js";
import { curl } from "./snippets.js";

const HISTORY_KEY = "qwenmock-history";
const HISTORY = 20;
const POLL_MS = 300;

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(HISTORY_KEY)) ?? [];
  } catch {
    return [];
  }
}

/** The runs of this page: those under way, and the last that ended. It outlives a change of the view. */
export function useRuns() {
  const [runs, setRuns] = useState(() => remembered().map((run) => ({ ...run, isDone: true })));
  const change = (id, news) => setRuns((all) => {
    const next = (all.some((run) => run.id === id) ? all.map((run) => (run.id === id ? { ...run, ...news } : run)) : [{ id, ...news }, ...all]).slice(0, HISTORY);
    try {
      const kept = next.filter((run) => run.isDone).map(({ inputs, request, ...rest }) => rest);
      localStorage.setItem(HISTORY_KEY, JSON.stringify(kept));
    } catch {
      // A full or forbidden storage costs the history its memory, nothing else.
    }
    return next;
  });
  return { runs, change };
}

async function carryOut(variant, slug, apiKey, request, inputs, change) {
  const id = `${Date.now()}-${Math.random()}`;
  const began = performance.now();
  change(id, { at: Date.now() / 1000, provider: slug, variant: variant.name, request, inputs, prompt: firstText(request), isDone: false });
  try {
    const headers = { "Content-Type": "application/json", Authorization: `Bearer ${apiKey}`, ...(variant.switch ? Object.fromEntries([variant.switch]) : {}) };
    const answer = await fetch(`/${slug}${variant.path}`, { method: variant.method, headers, body: JSON.stringify(request) });
    let content = await answer.json();
    const requestId = answer.headers.get("x-request-id");
    const rule = { id: answer.headers.get("x-qwenmock-rule"), source: answer.headers.get("x-qwenmock-source") };
    let urls = picturesIn(content);
    if (answer.ok && variant.is_task) {
      const task = await ended(content.id ?? content.output?.task_id, (progress) => change(id, { progress }));
      urls = task.urls.map(local);
      content = { ...content, task };
    }
    const { charges } = await api("GET", `ledger?request_id=${encodeURIComponent(requestId)}&limit=1`);
    change(id, { isDone: true, status: answer.status, answer: content, urls, rule: rule.id ? rule : null, charge: charges[0] ?? null, took: performance.now() - began });
  } catch (error) {
    change(id, { isDone: true, status: 0, answer: { error: error.message }, urls: [], took: performance.now() - began });
  }
}

async function ended(taskId, tell) {
  for (;;) {
    const task = await api("GET", `tasks/${encodeURIComponent(taskId)}`);
    tell(task.progress);
    if (!["pending", "running"].includes(task.state)) return task;
    await new Promise((go) => setTimeout(go, POLL_MS));
  }
}

function firstText(value) {
  if (typeof value !== "object" || value === null) return "";
  if (typeof value.prompt === "string") return value.prompt;
  if (typeof value.text === "string") return value.text;
  return Object.values(value).map(firstText).find(Boolean) ?? "";
}

export function Playground({ providers, runs, change }) {
  const [slug, setSlug] = useState(providers[0].slug);
  const { data, error } = useApi(`contract/${slug}`);
  const [variantName, setVariant] = useState("");
  const contract = data?.slug === slug ? data : null;
  const variant = contract && (contract.variants.find((v) => v.name === variantName) ?? contract.variants[0]);
  const running = runs.filter((run) => !run.isDone).length;
  return html`<section aria-labelledby="playground-title">
    <h2 id="playground-title">${t("playground")}</h2>
    <p role="status">${t("running")}: <b>${running}</b> · ${t("completed")}: <b>${runs.length - running}</b></p>
    <${Trouble} error=${error} />
    <form class="filters" onSubmit=${(event) => event.preventDefault()}>
      <label>${t("provider")}<select name="provider" value=${slug} onChange=${(event) => setSlug(event.target.value)}>
        ${providers.map((p) => html`<option value=${p.slug}>${p.slug}</option>`)}</select></label>
      ${variant && html`<label>${t("variant")}<select name="variant" value=${variant.name} onChange=${(event) => setVariant(event.target.value)}>
        ${contract.variants.map((v) => html`<option value=${v.name}>${v.title}</option>`)}</select></label>`}
    </form>
    ${variant && html`<${Form} key=${`${slug}/${variant.name}`} slug=${slug} variant=${variant} change=${change} />`}
    <h3>${t("history")}</h3>
    ${runs.length === 0 && html`<p class="hint">${t("nothing-yet")}</p>`}
    <ul class="cards">${runs.map((run) => html`<${Run} key=${run.id} run=${run} />`)}</ul>
  </section>`;
}

function initial(fields, variant) {
  const values = {};
  for (const field of fields) {
    if (field.name === "model") values[field.key] = variant.models[0];
    else if (field.required && field.schema.enum) values[field.key] = String(field.schema.enum[0]);
  }
  return values;
}

function Form({ slug, variant, change }) {
  const fields = useMemo(() => fieldsOf(variant), [variant]);
  const counts = useMemo(() => pictureCounts(variant), [variant]);
  const [values, setValues] = useState(() => initial(fields, variant));
  const [pictures, setPictures] = useState([]);
  const [apiKey, setKey] = useState("sk-mock");
  const request = assemble(variant, values, pictures.map((picture) => picture.url));
  const wrong = fields.filter((field) => problem(field, values[field.key]));
  const tooFew = pictures.length < counts.least;
  const call = { provider: slug, origin: location.origin, method: variant.method, path: `/${slug}${variant.path}`, headers: variant.switch ? [variant.switch] : [], request };
  const run = (event) => {
    event.preventDefault();
    carryOut(variant, slug, apiKey, request, pictures.map((picture) => picture.shown), change);
  };
  return html`<div class="split"><form class="fields" onSubmit=${run} noValidate>
    <label>${t("key")}<input name="api-key" value=${apiKey} onInput=${(event) => setKey(event.target.value)} autocomplete="off" spellcheck=${false} /></label>
    ${counts.most > 0 && html`<${Pictures} variant=${variant} counts=${counts} pictures=${pictures} setPictures=${setPictures} />`}
    ${fields.map((field) => html`<${Field} key=${field.key} field=${field} models=${variant.models} text=${values[field.key] ?? ""}
      set=${(text) => setValues({ ...values, [field.key]: text })} />`)}
    <p class="buttons"><button class="primary">${t("run")}</button>
      ${(wrong.length > 0 || tooFew) && html`<span class="hint">${t("will-be-refused")}</span>`}</p>
  </form>
  <div><h3>${t("request")}</h3><${Copy} text=${curl(call)} label=${t("copy-as", { name: "curl" })} /><${Json} value=${short(request)} /></div></div>`;
}

function Field({ field, models, text, set }) {
  const id = `field-${field.key.replaceAll(/[^\w]/g, "-")}`;
  const trouble = text === "" ? null : problem(field, text);
  const options = field.name === "model" ? models : field.schema.enum;
  const common = { id, name: field.name, "aria-describedby": `${id}-limits`, "aria-invalid": trouble ? "true" : "false" };
  const onInput = (event) => set(event.target.value);
  let input;
  if (options) input = html`<select ...${common} value=${text} onChange=${onInput}>${!field.required && html`<option value="">–</option>`}${options.map((option) => html`<option value=${option}>${option}</option>`)}</select>`;
  else if (field.schema.type === "boolean") input = html`<select ...${common} value=${text} onChange=${onInput}>${["", "true", "false"].map((option) => html`<option value=${option}>${option || "–"}</option>`)}</select>`;
  else if (field.schema.type === "integer" || field.schema.type === "number") input = html`<input ...${common} inputmode="numeric" value=${text} onInput=${onInput} placeholder=${field.schema.default ?? ""} />`;
  else if (["prompt", "negative_prompt"].includes(field.role)) input = html`<textarea ...${common} rows="3" value=${text} onInput=${onInput}></textarea>`;
  else input = html`<input ...${common} value=${text} onInput=${onInput} placeholder=${field.schema.default ?? ""} />`;
  return html`<div class="field"><label for=${id}>${field.path.filter((step) => step !== "*").join(".")}${field.required && html` <abbr title=${t("required")}>*</abbr>`}</label>
    ${input}
    <p id=${`${id}-limits`} class="hint">${trouble ? html`<span class="trouble" role="alert">${trouble === "required" ? t("required") : `${trouble.keyword} ${trouble.value} · ${trouble.source}`} ${trouble.certainty && html`<${Certainty} value=${trouble.certainty} />`}</span>` : limits(field).join(" · ")}</p></div>`;
}

const KINDS = ["image/png", "image/jpeg", "image/bmp", "image/tiff", "image/webp", "image/gif"];
const megabytes = (bytes) => Math.round(bytes / 2 ** 20);

function Pictures({ variant, counts, pictures, setPictures }) {
  const [troubles, setTroubles] = useState([]);
  const [isOver, setOver] = useState(false);
  const input = useRef();
  const terms = variant.images;
  const takesData = terms.schemes.includes("data");
  const accepted = terms.mediaTypes ?? KINDS;
  const add = async (files) => {
    const found = [];
    const problems = [];
    for (const file of [...files]) {
      if (pictures.length + found.length >= counts.most) problems.push(t("too-many-pictures", { n: counts.most }));
      else if (!accepted.includes(file.type)) problems.push(t("wrong-format", { name: file.name, kinds: accepted.map((kind) => kind.slice(6)).join(", ") }));
      else if (terms.maxBytes && file.size > terms.maxBytes) problems.push(t("too-large", { name: file.name, n: megabytes(terms.maxBytes) }));
      else {
        try {
          found.push(await read(file, terms, takesData));
        } catch (error) {
          problems.push(`${file.name}: ${error.message}`);
        }
      }
    }
    setTroubles([...new Set(problems)]);
    setPictures((all) => [...all, ...found].slice(0, counts.most));
  };
  useEffect(() => () => pictures.forEach((picture) => URL.revokeObjectURL(picture.shown)), []);
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    add(event.dataTransfer.files);
  };
  return html`<fieldset class=${`drop ${isOver ? "over" : ""}`} onDragOver=${(event) => (event.preventDefault(), setOver(true))} onDragLeave=${() => setOver(false)} onDrop=${drop}>
    <legend>${t("pictures")} (${counts.least}–${counts.most})</legend>
    <label>${t("choose-pictures")}<input ref=${input} type="file" name="pictures" multiple accept=${accepted.join(",")} onChange=${(event) => (add(event.target.files), (event.target.value = ""))} /></label>
    <p class="hint">${t("picture-limits", { kinds: accepted.map((kind) => kind.slice(6)).join(", "), n: megabytes(terms.maxBytes ?? 10 * 2 ** 20) })}
      ${" "}${terms.minWidth ? t("picture-sides", { least: terms.minWidth, most: terms.maxWidth }) : ""}</p>
    ${troubles.map((text) => html`<p class="trouble" role="alert">${text}</p>`)}
    <ul class="pictures">${pictures.map((picture, at) => html`<li><img src=${picture.shown} alt=${picture.name} />
      <button type="button" class="small" onClick=${() => setPictures(pictures.filter((_, i) => i !== at))} aria-label=${`${t("remove")} ${picture.name}`}>${t("remove")}</button></li>`)}</ul>
  </fieldset>`;
}

/** Return a chosen file as what a request carries and what the page shows. */
async function read(file, terms, takesData) {
  const size = await createImageBitmap(file).catch(() => null); // TIFF and some BMP are for the server to look at
  if (size && terms.minWidth && !(terms.advisory ?? []).includes("minWidth")) {
    const sides = [size.width, size.height];
    if (Math.min(...sides) < terms.minWidth || Math.max(...sides) > terms.maxWidth)
      throw new Error(t("picture-sides", { least: terms.minWidth, most: terms.maxWidth }) + ` (${size.width}×${size.height})`);
  }
  const shown = URL.createObjectURL(file);
  if (!takesData) return { name: file.name, shown, url: (await api("POST", "images", file)).url };
  const url = await new Promise((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => fail(reader.error);
    reader.readAsDataURL(file);
  });
  return { name: file.name, shown, url };
}

function Run({ run }) {
  const urls = run.urls ?? [];
  return html`<li class="card run">
    <h4>${run.isDone ? html`<${Badge} status=${run.status} />` : html`<progress max="100" value=${run.progress} aria-label=${t("running")}></progress>`}
      ${run.provider} · ${run.variant} ${run.took !== undefined && html`<small>${(run.took / 1000).toFixed(2)} s</small>`}</h4>
    <p>${run.prompt}</p>
    ${run.rule && html`<p class="trouble"><code>${run.rule.id}</code> ${run.rule.source}</p>`}
    <div class="pictures">
      ${(run.inputs ?? []).map((url) => html`<figure><img src=${url} alt=${t("input")} /><figcaption>${t("input")}</figcaption></figure>`)}
      ${urls.map((url) => html`<figure><a href=${url} target="_blank" rel="noreferrer"><img src=${url} alt=${run.prompt} loading="lazy" /></a><figcaption>${t("result")}</figcaption></figure>`)}
    </div>
    ${run.charge && html`<p>${t("cost")}: <b>${money(run.charge.amount, run.charge.currency)}</b>, ${t("images", { n: run.charge.images })}</p>`}
    ${run.answer && html`<details><summary>${t("answer")}</summary><${Json} value=${run.answer} /></details>`}
  </li>`;
}
