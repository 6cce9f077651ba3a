// The journal: requests and answers as they happen.
import {
  api,
  Badge,
  Certainty,
  Copy,
  html,
  Json,
  money,
  pictures,
  t,
  time,
  useApi,
  useEffect,
  useMemo,
  useState,
} from "./lib.js";
import { Cost } from "./runs.js";
import { callOf, snippets } from "./snippets.js";

const MAX_ENTRIES = 300;

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
        const added = news.entries.filter((entry) => !known.has(identity(entry)));
        return { entries: [...added, ...s.entries].slice(0, MAX_ENTRIES), isLive: true, skipped: news.skipped };
      });
    };
    return () => source.close();
  }, []);
  const clear = () => api("POST", "reset/journal", {}).then(() => setState((s) => ({ ...s, entries: [] })));
  return { ...state, clear };
}

const identity = (entry) => `${entry.id}/${entry.at}`;

const matches = (entry, filter) =>
  (!filter.provider || entry.provider === filter.provider) &&
  (!filter.status || String(entry.status).startsWith(filter.status)) &&
  (!filter.text || JSON.stringify(entry).toLowerCase().includes(filter.text.toLowerCase()));

export function Journal({ journal, providers }) {
  const [filter, setFilter] = useState({ provider: "", status: "", text: "" });
  const [chosen, setChosen] = useState(null);
  const shown = useMemo(() => journal.entries.filter((entry) => matches(entry, filter)), [journal.entries, filter]);
  const entry = shown.find((each) => identity(each) === chosen);
  const toggle = (each) => setChosen(each === entry ? null : identity(each));
  return html`<section aria-labelledby="journal-title">
    <h2 id="journal-title">${t("journal")}
      <span class=${`live ${journal.isLive ? "on" : ""}`} role="status">
        ${journal.isLive ? t("live") : t("not-live")}
      </span>
    </h2>
    <${Filters} filter=${filter} setFilter=${setFilter} providers=${providers} clear=${journal.clear} />
    ${journal.skipped && html`<p class="hint">${t("skipped")}</p>`}
    ${shown.length === 0 && html`<p class="hint">${t("nothing-yet")}</p>`}
    <div class=${entry ? "split" : ""}>
      <ul class="entries" aria-label=${t("journal")}>
        ${shown.map((each) => {
          const isChosen = each === entry;
          return html`<${Line} key=${identity(each)} entry=${each} isChosen=${isChosen}
            choose=${() => toggle(each)} />`;
        })}
      </ul>
      ${entry && html`<${Detail} key=${chosen} entry=${entry} close=${() => setChosen(null)} />`}
    </div>
  </section>`;
}

function Filters({ filter, setFilter, providers, clear }) {
  const set = (name) => (event) => setFilter({ ...filter, [name]: event.target.value });
  return html`<form class="filters" onSubmit=${(event) => event.preventDefault()}>
    <label>${t("provider")}<select value=${filter.provider} onChange=${set("provider")}>
      <option value="">${t("all")}</option>
      ${providers.map((p) => html`<option value=${p.slug}>${p.slug}</option>`)}
    </select></label>
    <label>${t("status")}<select value=${filter.status} onChange=${set("status")}>
      <option value="">${t("all")}</option>
      ${["2", "4", "5"].map((first) => html`<option value=${first}>${first}xx</option>`)}
    </select></label>
    <label>${t("search")}<input type="search" value=${filter.text} onInput=${set("text")} /></label>
    <button type="button" class="small" onClick=${clear}>${t("clear")}</button>
  </form>`;
}

function Line({ entry, isChosen, choose }) {
  const cost = entry.charge ? money(entry.charge.amount, entry.charge.currency) : "";
  return html`<li><button type="button" class="entry" aria-expanded=${isChosen} onClick=${choose}>
    <${Badge} status=${entry.status} />
    <span class="when">${time(entry.at)}</span>
    <span class="what"><b>${entry.provider}</b> ${entry.model || `${entry.method} ${entry.endpoint}`}</span>
    <span class="took">${entry.milliseconds.toFixed(1)} ms</span>
    <span class="end">${entry.refusal ? entry.refusal.detail : cost}</span>
  </button></li>`;
}

function Detail({ entry, close }) {
  const found = pictures(entry.answer);
  const alt = entry.effective_prompt || t("picture");
  return html`<article class="detail" aria-label=${t("exchange")}>
    <header><h3><${Badge} status=${entry.status} /> ${entry.method} ${entry.path}</h3>
      <button type="button" class="small" onClick=${close}>${t("close")}</button></header>
    <p class="hint">${entry.id} · ${t("key")} ${entry.key || "–"} · ${entry.variant || entry.endpoint}</p>
    ${entry.refusal && html`<${Refusal} refusal=${entry.refusal} rule=${entry.rule} />`}
    ${entry.advisories.map((text) => html`<p class="advisory">${text}</p>`)}
    ${entry.charge && html`<${Cost} charge=${entry.charge} />`}
    ${
      found.length > 0 &&
      html`<div class="pictures">
      ${found.map(
        (url) => html`<a href=${url} target="_blank" rel="noreferrer">
        <img src=${url} alt=${alt} loading="lazy" /></a>`,
      )}
    </div>`
    }
    ${entry.microseconds && html`<${Timing} stages=${entry.microseconds} />`}
    ${entry.endpoint !== "callback" && html`<${Programs} entry=${entry} />`}
    <h4>${t("request")}</h4><${Json} value=${entry.request} />
    <h4>${t("answer")}</h4><${Json} value=${entry.answer} />
  </article>`;
}

function Refusal({ refusal, rule }) {
  return html`<div class="refusal">
    <p><b>${refusal.detail}</b></p>
    ${
      rule &&
      html`<dl>
      <dt>${t("rule")}</dt><dd><code>${rule.id}</code></dd>
      <dt>${t("source")}</dt><dd>${rule.source}</dd>
      <dt>${t("certainty")}</dt><dd><${Certainty} value=${rule.certainty} /></dd>
    </dl>`
    }
  </div>`;
}

/** Buttons that copy the request as programs; the contract says how its endpoint is called. */
function Programs({ entry }) {
  const { data } = useApi(`contract/${encodeURIComponent(entry.provider)}`);
  const endpoint = data?.endpoints.find((each) => each.name === entry.endpoint);
  if (!endpoint) return null;
  const prefix = `/${entry.provider}/`;
  const path = entry.path.startsWith(prefix) ? entry.path.slice(prefix.length - 1) : entry.path;
  const programs = Object.entries(snippets(callOf(entry.provider, { ...endpoint, path }, entry.request)));
  return html`<p class="buttons">
    ${programs.map(([name, text]) => html`<${Copy} key=${name} text=${text} label=${t("copy-as", { name })} />`)}
  </p>`;
}

function Timing({ stages }) {
  const rows = Object.entries(stages).reverse();
  const max = Math.max(1, ...rows.map(([, n]) => n));
  return html`<details><summary>${t("timing")}</summary><table class="timing"><tbody>
    ${rows.map(
      ([name, n]) => html`<tr><th scope="row">${name}</th><td>${n} µs</td>
      <td><meter min="0" max=${max} value=${n} aria-label=${name}>${n}</meter></td></tr>`,
    )}
  </tbody></table></details>`;
}
