// A request by hand: a form from the contract's schema, the answer, and what it cost.
import { said } from "./data_texts.js";
import { assemble, fieldsOf, filledWith, isLongText, pictureSources, problem, tooFewPictures } from "./form.js";
import { Certainty, Copy, html, Json, Trouble, t, useApi, useMemo, useState } from "./lib.js";
import { Pictures } from "./pictures.js";
import { edited, presetsOf, textOf } from "./presets.js";
import { short } from "./reference.js";
import { carryOut, Run } from "./runs.js";
import { callOf, curl } from "./snippets.js";
import { Source } from "./source.js";
import { takeWanted } from "./wanted.js";
import { complaint, labelOf, limits, pathOf } from "./wording.js";

export function Playground({ providers, runs, change }) {
  // What the form is to show; the number makes it anew, also for the same request once more.
  const [wanted, setWanted] = useState(() => ({ provider: providers[0].slug, ...takeWanted(), number: 0 }));
  const want = (news) => setWanted({ ...news, number: wanted.number + 1 });
  const slug = providers.some((each) => each.slug === wanted.provider) ? wanted.provider : providers[0].slug;
  const { data, error } = useApi(`contract/${slug}`);
  const contract = data?.slug === slug ? data : null;
  const variant = contract && (contract.variants.find((v) => v.name === wanted.variant) ?? contract.variants[0]);
  const running = runs.filter((run) => !run.isDone).length;
  const again = (run) => {
    want({ provider: run.provider, variant: run.variant, request: run.request });
    document.getElementById("playground-title").scrollIntoView();
  };
  return html`<section aria-labelledby="playground-title">
    <h2 id="playground-title">${t("playground")}</h2>
    <p role="status">${t("running")}: <b>${running}</b> · ${t("completed")}: <b>${runs.length - running}</b></p>
    <${Trouble} error=${error} />
    <form class="filters" onSubmit=${(event) => event.preventDefault()}>
      <label>${t("provider")}
        <select name="provider" value=${slug} onChange=${(event) => want({ provider: event.target.value })}>
          ${providers.map((p) => html`<option value=${p.slug}>${p.slug}</option>`)}
        </select>
      </label>
      ${
        variant &&
        html`<label>${t("variant")}
        <select name="variant" value=${variant.name}
          onChange=${(event) => want({ provider: slug, variant: event.target.value })}>
          ${contract.variants.map((v) => html`<option value=${v.name}>${said(v.title)}</option>`)}
        </select>
      </label>`
      }
    </form>
    ${
      variant &&
      html`<${Form}
        key=${`${slug}/${variant.name}/${wanted.number}`} contract=${contract} variant=${variant}
        given=${wanted.request} change=${change}>
        <${History} runs=${runs} again=${again} />
      </${Form}>`
    }
  </section>`;
}

function History({ runs, again }) {
  return html`<h3>${t("history")}</h3>
    ${runs.length === 0 && html`<p class="empty">${t("empty-history")}</p>`}
    <ul class="runs">${runs.map((run) => html`<${Run} key=${run.id} run=${run} again=${again} />`)}</ul>`;
}

/** Return what a form has at first: what is required and has values to choose from, and what a preset fills in. */
function startOf(fields, variant, { values, urls = [], edit, rule, apiKey = "sk-mock" }) {
  const all = {};
  for (const field of fields) {
    if (field.role === "model") all[field.key] = variant.models[0];
    else if (field.required && field.schema.enum) all[field.key] = String(field.schema.enum[0]);
  }
  const pictures = urls.map((url, at) => {
    const isData = url.startsWith("data:");
    return {
      name: isData ? t("example-picture", { n: at + 1 }) : url,
      shown: isData ? url : null,
      url,
      isFilledIn: true,
    };
  });
  return { values: { ...all, ...values }, pictures, edit, rule, apiKey };
}

function Form({ contract, variant, given, change, children }) {
  const { slug } = contract;
  const fields = useMemo(() => fieldsOf(variant), [variant]);
  const presets = useMemo(() => presetsOf(contract, variant), [contract, variant]);
  const [preset, setPreset] = useState(given ? "given" : presets[0].name);
  const [{ values, pictures, edit, rule, apiKey }, setForm] = useState(() =>
    startOf(fields, variant, given ? filledWith(variant, given) : presets[0].start()),
  );
  const choose = (event) => {
    const chosen = presets.find((each) => each.name === event.target.value);
    setPreset(event.target.value);
    setForm(startOf(fields, variant, chosen ? chosen.start() : filledWith(variant, given)));
  };
  const set = (field) => (text) => setForm((form) => ({ ...form, values: { ...form.values, [field.key]: text } }));
  const setKey = (text) => setForm((form) => ({ ...form, apiKey: text }));
  const setPictures = (news) => setForm((form) => ({ ...form, rule: undefined, pictures: news(form.pictures) }));
  const urls = pictures.map((picture) => picture.url);
  const request = edited(assemble(variant, values, urls), edit);
  const text = textOf(request, edit);
  const run = (event) => {
    event.preventDefault();
    const inputs = pictures.map(({ name, shown, small }) => ({ name, shown: small ?? shown }));
    carryOut({ slug, variant, apiKey, request, text, inputs, rules: [...variant.rules, ...contract.http] }, change);
  };
  return html`<div class="split playground">
    <form class="fields" onSubmit=${run} noValidate>
      <${Presets} presets=${presets} chosen=${preset} choose=${choose} hasGiven=${given !== undefined} />
      <label>${t("key")}
        <input name="api-key" value=${apiKey} onInput=${(event) => setKey(event.target.value)}
          autocomplete="off" spellcheck=${false} />
      </label>
      ${
        variant.images &&
        html`<${Pictures} images=${variant.images} sources=${pictureSources(variant)} pictures=${pictures}
          setPictures=${setPictures} />`
      }
      ${fields.map(
        (field) => html`<${Field} key=${field.key} field=${field} models=${variant.models}
        text=${values[field.key] ?? ""} set=${set(field)} />`,
      )}
      <p class="buttons send"><button class="primary">${t("run")}</button></p>
    </form>
    <div>
      <h3>${t("request")}</h3>
      <${Complaints} fields=${fields} values=${values} variant=${variant} count=${pictures.length} edit=${edit}
        pictureRule=${rule} />
      <${Copy}
        text=${curl({ ...callOf(slug, variant, request), text, key: apiKey === "sk-mock" ? "" : apiKey })}
        label=${t("copy-as", { name: "curl" })}
      />
      ${
        edit?.kind === "cut"
          ? html`<pre class="json" tabindex="0">${short(text)}</pre>`
          : html`<${Json} value=${short(request)} />`
      }
      ${children}
    </div>
  </div>`;
}

function Presets({ presets, chosen, choose, hasGiven }) {
  const words = {
    example: ({ source }) => `${t("example")}: ${source}`,
    borrowed: () => t("preset-borrowed"),
    empty: () => t("preset-empty"),
    error: ({ error }) => `${error.status} ${said(error.name)}`,
  };
  const option = (preset) => html`<option value=${preset.name}>${words[preset.kind](preset)}</option>`;
  const isError = (preset) => preset.kind === "error";
  return html`<label>
    ${t("fill-in")}
    <select name="preset" value=${chosen} onChange=${choose}>
      ${hasGiven && html`<option value="given">${t("preset-given")}</option>`}
      ${presets.filter((preset) => !isError(preset)).map(option)}
      <optgroup label=${t("errors")}>${presets.filter(isError).map(option)}</optgroup>
    </select>
  </label>`;
}

/** What the contract will refuse in the request, and by which rules. */
function Complaints({ fields, values, variant, count, edit, pictureRule }) {
  const found = fields
    .map((field) => ({ label: labelOf(field), rule: problem(field, values[field.key]), text: values[field.key] ?? "" }))
    .filter(({ rule }) => rule);
  const ofPictures = tooFewPictures(variant, count) ?? pictureRule;
  if (found.length === 0 && !ofPictures && !edit) return null;
  return html`<div class="complaints">
    <p>${t("will-be-refused")}</p>
    <ul>
      ${edit && html`<li>${t(`edit-${edit.kind}`, { path: edit.path?.join(".") })}</li>`}
      ${
        ofPictures &&
        html`<li>
          <${Broken}
            label=${t("pictures")} rule=${ofPictures}
            text=${ofPictures.keyword.endsWith("Items") ? String(count) : undefined}
          />
        </li>`
      }
      ${found.map(({ label, rule, text }) => html`<li><${Broken} label=${label} rule=${rule} text=${text} /></li>`)}
    </ul>
  </div>`;
}

function Broken({ label, rule, text }) {
  const named =
    rule.id &&
    html`<br /><code>${rule.id}</code> <${Certainty} value=${rule.certainty} />
    <${Source} text=${rule.source} />`;
  return html`<b>${label}</b>: ${complaint(rule, text)} ${named}`;
}

function Field({ field, models, text, set }) {
  const id = `field-${field.key.replaceAll(/[^\w]/g, "-")}`;
  const broken = text === "" ? null : problem(field, text);
  const attributes = {
    id,
    name: field.name,
    value: text,
    "aria-describedby": `${id}-limits`,
    "aria-invalid": broken ? "true" : "false",
  };
  const star = field.required && html` <abbr title=${t("required")}>*</abbr>`;
  return html`<div class="field">
    <label for=${id}>${labelOf(field)}${star} <code class="path">${pathOf(field)}</code></label>
    ${field.schema.description && html`<p class="hint">${field.schema.description}</p>`}
    <${Input} field=${field} models=${models} attributes=${attributes} onInput=${(event) => set(event.target.value)} />
    <div id=${`${id}-limits`} class="hint">
      ${
        broken
          ? html`<span class="trouble" role="alert">${complaint(broken, text)}</span>`
          : html`<${Limits} field=${field} />`
      }
    </div>
  </div>`;
}

function Limits({ field }) {
  const { text, sources } = limits(field);
  return html`${text} ${sources.map((source) => html`<${Source} text=${source} />`)}`;
}

function Input({ field, models, attributes, onInput }) {
  const { schema } = field;
  const options = field.role === "model" ? models : schema.enum;
  if (options)
    return html`<${Select} options=${field.required ? options : ["", ...options]} ...${{ attributes, onInput }} />`;
  if (schema.type === "boolean")
    return html`<${Select} options=${["", "true", "false"]} attributes=${attributes} onInput=${onInput} />`;
  if (isLongText(field)) return html`<textarea ...${attributes} rows="3" onInput=${onInput}></textarea>`;
  const mode = ["integer", "number"].includes(schema.type) ? "numeric" : undefined;
  return html`<input ...${attributes} inputmode=${mode} onInput=${onInput} placeholder=${schema.default ?? ""} />`;
}

/** A choice; a value that is not among the options, which a preset may fill in, is one more. */
function Select({ options, attributes, onInput }) {
  const all = options.map(String).includes(attributes.value) ? options : [...options, attributes.value];
  return html`<select ...${attributes} onChange=${onInput}>
    ${all.map((option) => html`<option value=${option}>${option || "–"}</option>`)}
  </select>`;
}
