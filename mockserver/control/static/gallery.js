// All pictures that links lead to, with what they were made from and how long their links still work.
import { lasting } from "./duration.js";
import { Empty, NoMatch, ToPlayground } from "./empty.js";
import { html, moment, Trouble, t, useApi, useState } from "./lib.js";
import { ToRequest } from "./links.js";

const NO_FILTER = { provider: "", text: "" };

const matches = (picture, filter) =>
  (!filter.provider || picture.provider === filter.provider) &&
  [picture.prompt, picture.model, picture.key].some((value) => value.toLowerCase().includes(filter.text.toLowerCase()));

export function Gallery({ providers }) {
  const { data, error } = useApi("pictures?limit=200", 3);
  const now = useApi("health", 3).data?.now;
  const [filter, setFilter] = useState(NO_FILTER);
  const set = (name) => (event) => setFilter({ ...filter, [name]: event.target.value });
  const shown = (data ?? []).filter((picture) => matches(picture, filter));
  return html`<section aria-labelledby="gallery-title">
    <h2 id="gallery-title">${t("gallery")}</h2>
    <${Trouble} error=${error} />
    ${data?.length === 0 && html`<${Empty} text=${t("empty-gallery")}><${ToPlayground} /></${Empty}>`}
    ${
      data?.length > 0 &&
      html`<form class="filters" onSubmit=${(event) => event.preventDefault()}>
      <label>${t("provider")}
        <select name="provider" value=${filter.provider} onChange=${set("provider")}>
          <option value="">${t("all")}</option>
          ${providers.map((p) => html`<option value=${p.slug}>${p.slug}</option>`)}
        </select>
      </label>
      <label>${t("search")}<input type="search" value=${filter.text} onInput=${set("text")} /></label>
    </form>`
    }
    ${data?.length > 0 && shown.length === 0 && html`<${NoMatch} clear=${() => setFilter(NO_FILTER)} />`}
    <ul class="cards gallery">
      ${shown.map((picture) => html`<${Picture} key=${picture.url} picture=${picture} now=${now} />`)}
    </ul>
  </section>`;
}

function Picture({ picture, now }) {
  const { url, prompt, width, height, seed } = picture;
  const left = now === undefined ? null : picture.expires - now;
  const name = `${picture.model}-${seed}-${url.split("?")[0].split("/").at(-1)}`;
  return html`<li class="card">
    ${
      left === null || left > 0
        ? html`<a href=${url} target="_blank" rel="noreferrer" aria-label=${prompt || t("picture")}>
          <img src=${url} alt=${prompt} loading="lazy" /></a>`
        : html`<p class="expired">${t("link-expired")}</p>`
    }
    <p>${prompt}</p>
    <dl>
      <dt>${t("role-size")}</dt><dd>${width} × ${height}</dd>
      <dt>${t("role-seed")}</dt><dd>${seed}</dd>
      <dt>${t("model")}</dt><dd>${picture.provider} · ${picture.model}</dd>
      <dt>${t("created")}</dt>
      <dd><${ToRequest} id=${picture.request_id}>${moment(picture.created)}</${ToRequest}></dd>
      <dt>${t("link-works")}</dt><dd>${left === null ? "…" : left > 0 ? lasting(left) : t("link-expired")}</dd>
    </dl>
    ${
      left > 0 &&
      html`<a class="small" href=${url} download=${name} aria-label=${`${t("download")} ${prompt}`}>
        ${t("download")}
      </a>`
    }
  </li>`;
}
