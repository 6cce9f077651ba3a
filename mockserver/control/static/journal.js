// What was asked and answered, as it happens.
import { api, Badge, Certainty, Copy, html, Json, local, money, pictures, t, time, useEffect, useMemo, useState } from "./lib.js";
import { snippets } from "./snippets.js";

const MOST = 300;

/** Follow the journal; gives the entries, newest first, and whether the connection is up. */
export function useJournal() {
  const [state, setState] = useState({ entries: [], isLive: false, skipped: false });
  useEffect(() => {
    const source = new EventSource("/__mock__/events");
    source.onopen = () => setState((s) => ({ ...s, isLive: true }));
    source.onerror = () => setState((s) => ({ ...s, isLive: false }));
    source.onmessage = (event) => {
      const news = JSON.parse(event.data);
      setState((s) => {
        const known = new Set(s.entries.map(identity));
        const fresh = news.entries.filter((entry) => !known.has(identity(entry)));
        return { entries: [...fresh, ...s.entries].slice(0, MOST), isLive: true, skipped: news.skipped };
      });
    };
    return () => source.close();
  }, []);
  const forget = () => api("POST", "reset/journal", {}).then(() => setState((s) => ({ ...s, entries: [] })));
  return { ...state, forget };
}

const identity = (entry) => `${entry.id}/${entry.at}`;

const fits = (entry, filter) =>
  (!filter.provider || entry.provider === filter.provider) &&
  (!filter.status || String(entry.status).startsWith(filter.status)) &&
  (!filter.text || JSON.stringify(entry).toLowerCase().includes(filter.text.toLowerCase()));

export function Journal({ journal, providers }) {
  const [filter, setFilter] = useState({ provider: "", status: "", text: "" });
  const [chosen, setChosen] = useState(null);
  const shown = useMemo(() => journal.entries.filter((entry) => fits(entry, filter)), [journal.entries, filter]);
  const entry = shown.find((each) => identity(each) === chosen);
  const set = (name) => (event) => setFilter({ ...filter, [name]: event.target.value });
  return html`<section aria-labelledby="journal-title">
    <h2 id="journal-title">${t("journal")}
      <span class=${`live ${journal.isLive ? "on" : ""}`} role="status">${journal.isLive ? t("live") : t("not-live")}</span>
    </h2>
    <form class="filters" onSubmit=${(event) => event.preventDefault()}>
      <label>${t("provider")}<select value=${filter.provider} onChange=${set("provider")}>
        <option value="">${t("all")}</option>
        ${providers.map((p) => html`<option value=${p.slug}>${p.slug}</option>`)}
      </select></label>
      <label>${t("status")}<select value=${filter.status} onChange=${set("status")}>
        <option value="">${t("all")}</option>
        ${["2", "4", "5"].map((first) => html`<option value=${first}>${first}xx</option>`)}
      </select></label>
      <label>${t("search")}<input type="search" value=${filter.text} onInput=${set("text")} /></label>
      <button type="button" class="small" onClick=${journal.forget}>${t("clear")}</button>
    </form>
    ${journal.skipped && html`<p class="hint">${t("skipped")}</p>`}
    ${shown.length === 0 && html`<p class="hint">${t("nothing-yet")}</p>`}
    <div class=${entry ? "split" : ""}>
      <ul class="entries" aria-label=${t("journal")}>
        ${shown.map((each) => html`<${Line} key=${identity(each)} entry=${each} isChosen=${each === entry}
          choose=${() => setChosen(each === entry ? null : identity(each))} />`)}
      </ul>
      ${entry && html`<${Detail} key=${chosen} entry=${entry} close=${() => setChosen(null)} />`}
    </div>
  </section>`;
}

function Line({ entry, isChosen, choose }) {
  const end = entry.refusal ? entry.refusal.detail : entry.charge ? money(entry.charge.amount, entry.charge.currency) : "";
  return html`<li><button type="button" class="entry" aria-expanded=${isChosen} onClick=${choose}>
    <${Badge} status=${entry.status} />
    <span class="when">${time(entry.at)}</span>
    <span class="what"><b>${entry.provider}</b> ${entry.model || `${entry.method} ${entry.endpoint}`}</span>
    <span class="took">${entry.milliseconds.toFixed(1)} ms</span>
    <span class="end">${end}</span>
  </button></li>`;
}

function Detail({ entry, close }) {
  const call = {
    provider: entry.provider,
    origin: location.origin,
    method: entry.method,
    path: entry.path.startsWith(`/${entry.provider}/`) ? entry.path : `/${entry.provider}${entry.path}`,
    request: entry.request,
  };
  const found = pictures(entry.answer);
  return html`<article class="detail" aria-label=${t("exchange")}>
    <header><h3><${Badge} status=${entry.status} /> ${entry.method} ${entry.path}</h3>
      <button type="button" class="small" onClick=${close}>${t("close")}</button></header>
    <p class="hint">${entry.id} · ${t("key")} ${entry.key || "–"} · ${entry.variant || entry.endpoint}</p>
    ${entry.refusal && html`<div class="refusal">
      <p><b>${entry.refusal.detail}</b></p>
      ${entry.rule && html`<dl>
        <dt>${t("rule")}</dt><dd><code>${entry.rule.id}</code></dd>
        <dt>${t("source")}</dt><dd>${entry.rule.source}</dd>
        <dt>${t("certainty")}</dt><dd><${Certainty} value=${entry.rule.certainty} /></dd>
      </dl>`}
    </div>`}
    ${entry.advisories.map((text) => html`<p class="advisory">${text}</p>`)}
    ${entry.charge && html`<p>${t("cost")}: <b>${money(entry.charge.amount, entry.charge.currency)}</b>, ${t("images", { n: entry.charge.images })}</p>`}
    ${found.length > 0 && html`<div class="pictures">
      ${found.map((url) => html`<a href=${local(url)} target="_blank" rel="noreferrer"><img src=${local(url)} alt=${entry.effective_prompt || t("picture")} loading="lazy" /></a>`)}
    </div>`}
    ${entry.microseconds && html`<${Timing} stages=${entry.microseconds} />`}
    ${entry.endpoint !== "callback" && html`<p class="buttons">${Object.entries(snippets(call)).map(([name, text]) =>
      html`<${Copy} key=${name} text=${text} label=${t("copy-as", { name })} />`)}</p>`}
    <h4>${t("request")}</h4><${Json} value=${entry.request} />
    <h4>${t("answer")}</h4><${Json} value=${entry.answer} />
  </article>`;
}

function Timing({ stages }) {
  const rows = Object.entries(stages).reverse();
  const most = Math.max(1, ...rows.map(([, n]) => n));
  return html`<details><summary>${t("timing")}</summary><table class="timing"><tbody>
    ${rows.map(([name, n]) => html`<tr><th scope="row">${name}</th><td>${n} µs</td>
      <td><meter min="0" max=${most} value=${n} aria-label=${name}>${n}</meter></td></tr>`)}
  </tbody></table></details>`;
}

