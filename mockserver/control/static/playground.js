// A request by hand: a form from the contract's schema, the answer, and what it cost.
import { assemble, fieldsOf, isLongText, limits, problem } from "./form.js";
import { Certainty, Copy, html, Json, Trouble, t, useApi, useMemo, useState } from "./lib.js";
import { Pictures } from "./pictures.js";
import { short } from "./reference.js";
import { carryOut, Run } from "./runs.js";
import { callOf, curl } from "./snippets.js";

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
      <label>${t("provider")}
        <select name="provider" value=${slug} onChange=${(event) => setSlug(event.target.value)}>
          ${providers.map((p) => html`<option value=${p.slug}>${p.slug}</option>`)}
        </select>
      </label>
      ${
        variant &&
        html`<label>${t("variant")}
        <select name="variant" value=${variant.name} onChange=${(event) => setVariant(event.target.value)}>
          ${contract.variants.map((v) => html`<option value=${v.name}>${v.title}</option>`)}
        </select>
      </label>`
      }
    </form>
    ${
      variant &&
      html`<${Form}
        key=${`${slug}/${variant.name}`} slug=${slug} variant=${variant} http=${contract.http} change=${change} />`
    }
    <h3>${t("history")}</h3>
    ${runs.length === 0 && html`<p class="hint">${t("nothing-yet")}</p>`}
    <ul class="cards">${runs.map((run) => html`<${Run} key=${run.id} run=${run} />`)}</ul>
  </section>`;
}

function initial(fields, variant) {
  const values = {};
  for (const field of fields) {
    if (field.role === "model") values[field.key] = variant.models[0];
    else if (field.required && field.schema.enum) values[field.key] = String(field.schema.enum[0]);
  }
  return values;
}

function Form({ slug, variant, http, change }) {
  const fields = useMemo(() => fieldsOf(variant), [variant]);
  const [values, setValues] = useState(() => initial(fields, variant));
  const [pictures, setPictures] = useState([]);
  const [apiKey, setKey] = useState("sk-mock");
  const urls = pictures.map((picture) => picture.url);
  const request = assemble(variant, values, urls);
  const isWrong = fields.some((field) => problem(field, values[field.key]));
  const isTooFew = variant.images !== null && pictures.length < variant.images.min;
  const run = (event) => {
    event.preventDefault();
    const inputs = pictures.map((picture) => picture.shown);
    carryOut({ slug, variant, apiKey, request, inputs, rules: [...variant.rules, ...http] }, change);
  };
  const set = (field) => (text) => setValues({ ...values, [field.key]: text });
  return html`<div class="split">
    <form class="fields" onSubmit=${run} noValidate>
      <label>${t("key")}
        <input name="api-key" value=${apiKey} onInput=${(event) => setKey(event.target.value)}
          autocomplete="off" spellcheck=${false} />
      </label>
      ${
        variant.images &&
        html`<${Pictures} images=${variant.images} pictures=${pictures}
        setPictures=${setPictures} />`
      }
      ${fields.map(
        (field) => html`<${Field} key=${field.key} field=${field} models=${variant.models}
        text=${values[field.key] ?? ""} set=${set(field)} />`,
      )}
      <p class="buttons">
        <button class="primary">${t("run")}</button>
        ${(isWrong || isTooFew) && html`<span class="hint">${t("will-be-refused")}</span>`}
      </p>
    </form>
    <div>
      <h3>${t("request")}</h3>
      <${Copy} text=${curl(callOf(slug, variant, request))} label=${t("copy-as", { name: "curl" })} />
      <${Json} value=${short(request)} />
    </div>
  </div>`;
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
  const label = field.path.filter((step) => step !== "*").join(".");
  const star = field.required && html` <abbr title=${t("required")}>*</abbr>`;
  return html`<div class="field">
    <label for=${id}>${label}${star}</label>
    <${Input} field=${field} models=${models} attributes=${attributes} onInput=${(event) => set(event.target.value)} />
    <p id=${`${id}-limits`} class="hint">
      ${broken ? html`<${Broken} rule=${broken} />` : limits(field).join(" · ")}
    </p>
  </div>`;
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

function Select({ options, attributes, onInput }) {
  return html`<select ...${attributes} onChange=${onInput}>
    ${options.map((option) => html`<option value=${option}>${option || "–"}</option>`)}
  </select>`;
}

function Broken({ rule }) {
  if (rule === "required") return html`<span class="trouble" role="alert">${t("required")}</span>`;
  const text = `${rule.keyword} ${rule.value} · ${rule.source}`;
  return html`<span class="trouble" role="alert">${text} <${Certainty} value=${rule.certainty} /></span>`;
}
