// The journal: requests and answers as they happen, and all that match a search.
import { Empty, NoMatch, ToPlayground } from "./empty.js";
import { Exchange } from "./exchange.js";
import { useJournal } from "./journal_live.js";
import { asked, FILTERS, journalWith, placeOf, queryOf } from "./journal_query.js";
import { Badge, html, money, pictures, Trouble, t, time, useEffect, useRef, useState } from "./lib.js";

const TYPING_MS = 250;
const THUMBNAIL_MS = 1500;
const STATUSES = ["2xx", "4xx", "5xx"];
const EXPORTS = ["har", "sh", "py"];
const MORE = ["key", "rule", "since", "until"];
/** Filters with a field of their own; the others come with links, and are shown with a way to drop them. */
const FIELDS = ["provider", "status", "model", "text", ...MORE];

function useFilter() {
  const [filter, setFilter] = useState(asked);
  useEffect(() => {
    const follow = () => location.hash.startsWith("#journal") && setFilter(asked());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  const change = (news) => {
    setFilter(news);
    history.replaceState(null, "", journalWith(news));
  };
  return [filter, change];
}

export function Journal({ providers }) {
  const [filter, setFilter] = useFilter();
  const journal = useJournal(filter);
  const [open, setOpen] = useState(null);
  const entries = journal.entries ?? [];
  const isFiltered = FILTERS.some((name) => filter[name]);
  const toggle = (entry) => setOpen(open && placeOf(open) === placeOf(entry) ? null : entry);
  return html`<section aria-labelledby="journal-title">
    <h2 id="journal-title">${t("journal")} <${Live} journal=${journal} /></h2>
    <${Filters} filter=${filter} setFilter=${setFilter} providers=${providers} />
    <${Toolbar} journal=${journal} filter=${filter} />
    <${Trouble} error=${journal.error} />
    ${journal.skipped && !journal.isPaused && html`<p class="hint">${t("skipped")}</p>`}
    ${journal.entries?.length === 0 && html`<${Nothing} isFiltered=${isFiltered} clear=${() => setFilter({})} />`}
    <div class=${open ? "split" : ""}>
      <div>
        <${List} entries=${entries} open=${open} setOpen=${setOpen} toggle=${toggle} />
        ${
          journal.hasMore &&
          html`<p class="buttons"><button type="button" onClick=${journal.more}>${t("load-more")}</button></p>`
        }
      </div>
      ${open && html`<${Exchange} key=${placeOf(open)} entry=${open} close=${() => setOpen(null)} />`}
    </div>
  </section>`;
}

function Live({ journal }) {
  const name = journal.isPaused ? "paused" : journal.isLive ? "live" : "not-live";
  return html`<span class=${`live ${name === "live" ? "on" : ""}`} role="status">${t(name)}</span>`;
}

function Nothing({ isFiltered, clear }) {
  if (isFiltered) return html`<${NoMatch} clear=${clear} />`;
  return html`<${Empty} text=${t("empty-journal")}><${ToPlayground} /></${Empty}>`;
}

/** Return a function that calls another one when nothing was typed for a moment. */
function useCalm(call) {
  const timer = useRef(0);
  return (value) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => call(value), TYPING_MS);
  };
}

function Filters({ filter, setFilter, providers }) {
  const latest = useRef(filter);
  latest.current = filter;
  const set = (name, value) => setFilter({ ...latest.current, [name]: value });
  const choose = (name) => (event) => set(name, event.target.value);
  const models = [
    ...new Set(providers.filter((p) => !filter.provider || p.slug === filter.provider).flatMap(modelsOf)),
  ];
  const others = FILTERS.filter((name) => !FIELDS.includes(name) && filter[name]);
  return html`<form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
    <${Choice} name="provider" value=${filter.provider} options=${providers.map((p) => p.slug)} choose=${choose} />
    <${Choice} name="status" value=${filter.status} options=${STATUSES} choose=${choose} />
    <${Choice} name="model" value=${filter.model} options=${models} choose=${choose} />
    <${Typed} name="text" label=${t("search")} filter=${filter} set=${set} isSearch />
    <details class="more-filters" open=${MORE.some((name) => filter[name])}>
      <summary>${t("more-filters")}</summary>
      <div class="filters">
        <${Typed} name="key" label=${t("key")} filter=${filter} set=${set} />
        <${Typed} name="rule" label=${t("rule")} filter=${filter} set=${set} />
        <${Moment} name="since" filter=${filter} set=${set} />
        <${Moment} name="until" filter=${filter} set=${set} />
      </div>
    </details>
    ${others.map((name) => {
      const drop = () => set(name, "");
      const label = t("drop-filter", { name: t(name) });
      return html`<span class="chip">${t(name)}: ${filter[name]}
        <button type="button" class="small" aria-label=${label} onClick=${drop}>×</button></span>`;
    })}
  </form>`;
}

const modelsOf = (provider) => provider.models;

function Choice({ name, value = "", options, choose }) {
  const known = value === "" || options.includes(value) ? options : [...options, value];
  return html`<label>${t(name)}<select name=${name} value=${value} onChange=${choose(name)}>
    <option value="">${t("all")}</option>
    ${known.map((option) => html`<option value=${option}>${option}</option>`)}
  </select></label>`;
}

function Typed({ name, label, filter, set, isSearch }) {
  const [text, setText] = useState(filter[name] ?? "");
  const calm = useCalm((value) => set(name, value));
  useEffect(() => setText(filter[name] ?? ""), [filter[name]]);
  const type = (event) => {
    setText(event.target.value);
    calm(event.target.value);
  };
  return html`<label>${label}
    <input type=${isSearch ? "search" : "text"} name=${name} value=${text} onInput=${type} spellcheck=${false} />
  </label>`;
}

/** A time, which the address has in unix seconds. */
function Moment({ name, filter, set }) {
  const at = new Date(filter[name] ? filter[name] * 1000 : Number.NaN);
  const here = new Date(at - at.getTimezoneOffset() * 60_000);
  // An address may have anything in the place of a time: the API says what is wrong with it.
  const shown = Number.isNaN(here.getTime()) ? "" : here.toISOString().slice(0, 19);
  const change = (event) => {
    const chosen = event.target.value;
    set(name, chosen ? String(new Date(chosen) / 1000) : "");
  };
  return html`<label>${t(name)}
    <input type="datetime-local" step="1" name=${name} value=${shown} onChange=${change} />
  </label>`;
}

function Toolbar({ journal, filter }) {
  const query = queryOf(filter);
  const { isPaused, waiting } = journal;
  return html`<div class="toolbar">
    <span role="status">${t("total", { n: journal.total })}</span>
    ${
      isPaused
        ? html`<button type="button" class="small" onClick=${journal.resume}>
          ${t("resume")}${waiting > 0 && ` (${t("waiting", { n: waiting })})`}</button>`
        : html`<button type="button" class="small" onClick=${journal.pause}>${t("pause")}</button>`
    }
    <button type="button" class="small" onClick=${journal.clear}>${t("clear")}</button>
    <span class="exports">${t("export")}
      ${EXPORTS.map((kind) => {
        return html`<a class="small" href=${`/__mock__/journal.${kind}?${query}`} download>${t(`export-${kind}`)}</a>`;
      })}
    </span>
  </div>`;
}

/** The entries; arrows lead from one to the next, and with an open one beside them they open it. */
function List({ entries, open, setOpen, toggle }) {
  const step = (event) => {
    if (event.key === "Escape" && open) setOpen(null);
    const rows = [...event.currentTarget.querySelectorAll("button.entry")];
    const at = rows.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (at < 0 || rows[to] === undefined) return;
    event.preventDefault();
    rows[to].focus();
    if (open) setOpen(entries[to]);
  };
  return html`<ul class="entries" aria-label=${t("journal")} onKeyDown=${step}>
    ${entries.map((each) => {
      const isOpen = open !== null && placeOf(each) === placeOf(open);
      return html`<${Row} key=${placeOf(each)} entry=${each} isOpen=${isOpen} choose=${() => toggle(each)} />`;
    })}
  </ul>`;
}

function Row({ entry, isOpen, choose }) {
  const { charge, refusal } = entry;
  const cost = charge ? `${t("images", { n: charge.images })} · ${money(charge.amount, charge.currency)}` : "";
  return html`<li><button type="button" class="entry" aria-expanded=${isOpen} onClick=${choose}>
    <${Badge} status=${entry.status} />
    <span class="when">${time(entry.at)}</span>
    <span class="what"><b>${entry.provider}</b> ${named(entry)}</span>
    <span class="took">${entry.milliseconds.toFixed(1)} ms</span>
    <span class="end">${cost}</span>
    <${Thumbnail} entry=${entry} />
    <span class="said">${refusal ? refusal.detail : entry.effective_prompt || entry.task}</span>
  </button></li>`;
}

/** What a row calls its request: by the model, also one that is unknown, or by what was called. */
function named({ endpoint, method, model, request }) {
  if (endpoint === "callback") return `${endpoint} ${model}`;
  const wanted = typeof request?.model === "string" ? request.model : "";
  return model || wanted || `${method} ${endpoint}`;
}

/** The first picture. It is drawn when it is loaded: not for rows that pass by, and not for those out of sight. */
function Thumbnail({ entry }) {
  const [url] = useState(() => pictures(entry.answer)[0]);
  const [isShown, setShown] = useState(false);
  const place = useRef(null);
  useEffect(() => {
    if (!url) return undefined;
    const watcher = new IntersectionObserver(([seen]) => {
      clearTimeout(timer);
      if (seen.isIntersecting) timer = setTimeout(() => setShown(true), THUMBNAIL_MS);
    });
    let timer = 0;
    watcher.observe(place.current);
    return () => {
      clearTimeout(timer);
      watcher.disconnect();
    };
  }, [url]);
  return html`<span class="thumbnail" ref=${place}>${isShown && html`<img src=${url} alt="" />`}</span>`;
}
