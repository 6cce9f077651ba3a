// A provider's contract, as its schemas have it.
import { said } from "./data_texts.js";
import { Certainty, Copy, html, Json, Trouble, t, useApi } from "./lib.js";
import { callOf, curl } from "./snippets.js";
import { Source } from "./source.js";

export function Reference({ slug, providers }) {
  const { data, error } = useApi(`contract/${encodeURIComponent(slug)}`);
  const current = (p) => (p.slug === slug ? "page" : undefined);
  return html`<section aria-labelledby="reference-title" class="reference">
    <nav aria-label=${t("provider")} class="tabs">
      ${providers.map((p) => html`<a href=${`/__mock__/docs/${p.slug}`} aria-current=${current(p)}>${p.slug}</a>`)}
    </nav>
    <${Trouble} error=${error} />
    ${data && html`<${Contract} contract=${data} slug=${slug} />`}
  </section>`;
}

/** Write what an image of a model costs: smaller ones first, then what an input image costs besides. */
function priceOf(model, currency) {
  const steps = model.steps.map((step) => `≤ ${step.pixels} px: ${step.price} ${currency}, `).join("");
  const dollars = model.usd === null ? "" : ` (${model.usd} USD)`;
  const inputs = model.input_image === null ? "" : ` + ${model.input_image} ${currency} × ${t("input")}`;
  return `${steps}${model.price} ${currency}${dollars}${inputs}`;
}

function Contract({ contract, slug }) {
  const models = contract.models.map((model) => [
    html`<code>${model.name}</code>`,
    model.price === null ? t("unknown") : priceOf(model, contract.currency),
    html`<${Source} text=${model.source} />`,
  ]);
  const errors = contract.errors.map((error) => [
    error.status,
    said(error.name),
    error.message,
    html`<${Source} text=${error.source} />`,
    html`<${Certainty} value=${error.certainty} />`,
  ]);
  return html`<h2 id="reference-title">${contract.name}</h2>
    <p>${t("stands-for", { url: contract.base_url })} <a href=${`/__mock__/openapi/${slug}.json`}>OpenAPI 3.1</a></p>
    <h3>${t("endpoints")}</h3>
    <ul>${contract.endpoints.map((endpoint) => html`<li><${Called} endpoint=${endpoint} /></li>`)}</ul>
    <h3>${t("prices")}</h3>
    <${Table} names=${["model", "unit-price", "source"]} rows=${models} />
    ${contract.variants.map((variant) => html`<${Variant} key=${variant.name} variant=${variant} slug=${slug} />`)}
    <h3 id="errors">${t("errors")}</h3>
    <${Table} names=${["status", "kind", "message", "source", "certainty"]} rows=${errors} />
    <h3>${t("connection")}</h3>
    <${Rules} rules=${contract.http} />`;
}

/** How an endpoint is called: method, path, and the header that it needs. */
function Called({ endpoint }) {
  const header = endpoint.required_header?.join(": ");
  return html`<code>${endpoint.method} ${endpoint.path}</code> ${header && html`<code>${header}</code>`}`;
}

function Variant({ variant, slug }) {
  return html`<section class="variant" aria-label=${said(variant.title)}>
    <h3 id=${variant.name}>${said(variant.title)} <code>${variant.name}</code></h3>
    <p><${Called} endpoint=${variant} /> · ${variant.models.map((name) => html`<code>${name}</code> `)}</p>
    <${Rules} rules=${variant.rules} />
    ${variant.examples.map(
      (example) => html`<details>
      <summary>${t("example")}: ${example.source}</summary>
      <${Copy} text=${curl(callOf(slug, variant, example.request))} label=${t("copy-as", { name: "curl" })} />
      <${Json} value=${short(example.request)} />
    </details>`,
    )}
    <details><summary>${t("answers")}</summary><${Rules} rules=${variant.answers} /></details>
    <details><summary>JSON Schema</summary><${Json} value=${variant.schema} /></details>
  </section>`;
}

/** Cut data URLs, which nobody reads. */
export function short(value) {
  if (typeof value === "string") return value.length > 160 ? `${value.slice(0, 80)}… (${value.length})` : value;
  if (Array.isArray(value)) return value.map(short);
  if (value && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, short(member)]));
  return value;
}

const RULE_COLUMNS = ["place", "rule", "value", "error", "certainty", "source"];

function Rules({ rules }) {
  const rows = rules.map((rule) => [
    html`<code>${rule.place || "–"}</code>`,
    html`<code title=${rule.id}>${rule.keyword}</code>`,
    html`<code>${limit(rule.value)}</code>`,
    said(rule.error),
    html`<${Certainty} value=${rule.certainty} />`,
    html`<${Source} text=${rule.source} />`,
  ]);
  return html`<${Table} names=${RULE_COLUMNS} rows=${rows} />`;
}

function limit(value) {
  if (Array.isArray(value)) return value.map(limit).join(", ");
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

function Table({ names, rows }) {
  return html`<div class="scroll" tabindex="0"><table>
    <thead><tr>${names.map((name) => html`<th scope="col">${t(name)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}
