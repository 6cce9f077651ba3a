// A provider's contract, as its schemas have it.
import { Certainty, Copy, html, Json, t, Trouble, useApi } from "./lib.js";
import { curl } from "./snippets.js";

export function Reference({ slug, providers }) {
  const { data, error } = useApi(`contract/${encodeURIComponent(slug)}`);
  return html`<section aria-labelledby="reference-title" class="reference">
    <nav aria-label=${t("provider")} class="tabs">${providers.map((p) =>
      html`<a href=${`/__mock__/docs/${p.slug}`} aria-current=${p.slug === slug ? "page" : undefined}>${p.slug}</a>`)}</nav>
    <${Trouble} error=${error} />
    ${data && html`<h2 id="reference-title">${data.name}</h2>
      <p>${t("stands-for", { url: data.base_url })} <a href=${`/__mock__/openapi/${slug}.json`}>OpenAPI 3.1</a></p>
      <h3>${t("endpoints")}</h3>
      <ul>${data.endpoints.map((e) => html`<li><code>${e.method} ${e.path}</code> ${e.switch && html`<code>${e.switch.join(": ")}</code>`}</li>`)}</ul>
      <h3>${t("prices")}</h3>
      <${Table} names=${["model", "unit-price", "source"]} rows=${data.models.map((m) =>
        [html`<code>${m.name}</code>`, m.price === null ? t("unknown") : `${m.price} ${data.currency}`, m.source])} />
      ${data.variants.map((variant) => html`<${Variant} key=${variant.name} variant=${variant} slug=${slug} />`)}
      <h3 id="errors">${t("errors")}</h3>
      <${Table} names=${["status", "kind", "message", "source", "certainty"]} rows=${data.errors.map((e) =>
        [e.status, e.name, e.message, e.source, html`<${Certainty} value=${e.certainty} />`])} />
      <h3>${t("connection")}</h3>
      <${Rules} rules=${data.http} />`}
  </section>`;
}

function Variant({ variant, slug }) {
  return html`<section class="variant" aria-label=${variant.title}>
    <h3 id=${variant.name}>${variant.title} <code>${variant.name}</code></h3>
    <p><code>${variant.method} ${variant.path}</code> ${variant.switch && html`<code>${variant.switch.join(": ")}</code>`}
      · ${variant.models.map((name) => html`<code>${name}</code> `)}</p>
    <${Rules} rules=${variant.rules} />
    ${variant.examples.map((example) => {
      const call = { provider: slug, origin: location.origin, method: variant.method, path: `/${slug}${variant.path}`, headers: variant.switch ? [variant.switch] : [], request: example.request };
      return html`<details><summary>${t("example")}: ${example.source}</summary>
        <${Copy} text=${curl(call)} label=${t("copy-as", { name: "curl" })} /><${Json} value=${short(example.request)} /></details>`;
    })}
    <details><summary>${t("answers")}</summary><${Rules} rules=${variant.answers} /></details>
    <details><summary>JSON Schema</summary><${Json} value=${variant.schema} /></details>
  </section>`;
}

/** Cut data URLs, which nobody reads. */
export function short(value) {
  if (typeof value === "string") return value.length > 160 ? `${value.slice(0, 80)}… (${value.length})` : value;
  if (Array.isArray(value)) return value.map(short);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, short(member)]));
  return value;
}

function Rules({ rules }) {
  return html`<${Table} names=${["place", "rule", "value", "error", "certainty", "source"]} rows=${rules.map((rule) =>
    [html`<code>${rule.place || "–"}</code>`, html`<code title=${rule.id}>${rule.keyword}</code>`, html`<code>${limit(rule.value)}</code>`, rule.error,
      html`<${Certainty} value=${rule.certainty} />`, rule.source])} />`;
}

const limit = (value) => (Array.isArray(value) ? value.join(", ") : typeof value === "object" && value !== null ? JSON.stringify(value) : String(value));

function Table({ names, rows }) {
  return html`<div class="scroll" tabindex="0"><table><thead><tr>${names.map((name) => html`<th scope="col">${t(name)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table></div>`;
}
