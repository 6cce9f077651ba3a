// The shell: which view is shown, the language, and the admin token where one is needed.

import { useArrival } from "./arrival.js";
import { Comparison, RequestPage } from "./compare.js";
import { Clock, Faults, Tasks } from "./controls.js";
import { Journal } from "./journal.js";
import { parameters } from "./journal_query.js";
import { Ledger } from "./ledger.js";
import { api, chooseLanguage, html, language, render, Trouble, t, useEffect, useState } from "./lib.js";
import { Playground } from "./playground.js";
import { Reference } from "./reference.js";
import { useRuns } from "./runs.js";

const VIEWS = ["journal", "playground", "ledger", "tasks", "faults", "clock"];
const LINKED_VIEWS = ["request", "compare"];
const DOCS = "/__mock__/docs";
const LANGUAGES = { en: "English", zh: "中文" };

function viewInAddress() {
  if (location.pathname.startsWith(DOCS)) return "docs";
  const name = location.hash.slice(1).split("?")[0];
  return [...VIEWS, ...LINKED_VIEWS].includes(name) ? name : "journal";
}

/** Return the name of the view that the address names; rendered again for each address. */
function useView() {
  const [, setAddress] = useState(location.hash);
  useEffect(() => {
    const follow = () => setAddress(location.hash);
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return viewInAddress();
}

function Page() {
  const view = useView();
  const [providers, setProviders] = useState(null);
  const [error, setError] = useState(null);
  const [needsToken, setNeedsToken] = useState(false);
  const show = (found) => {
    setProviders(found);
    setNeedsToken(false);
    setError(null);
  };
  const load = () => api("GET", "providers").then(show, setError);
  useEffect(() => {
    const ask = () => setNeedsToken(true);
    addEventListener("qwenmock-token", ask);
    load();
    return () => removeEventListener("qwenmock-token", ask);
  }, []);
  useEffect(() => {
    document.title = `${t(view)} · qwenmock`;
  }, [view]);
  return html`
    <a class="skip" href="#main">${t("skip")}</a>
    <${Header} view=${view} providers=${providers} />
    <main id="main" tabindex="-1">
      ${needsToken ? html`<${Token} done=${load} />` : html`<${Trouble} error=${error} />`}
      ${providers && !needsToken && html`<${Views} view=${view} providers=${providers} />`}
    </main>`;
}

function Header({ view, providers }) {
  const other = language === "zh" ? "en" : "zh";
  const shown = LINKED_VIEWS.includes(view) ? "journal" : view;
  const current = (name) => (shown === name ? "page" : undefined);
  const docs = `${DOCS}/${providers?.[0]?.slug ?? ""}`;
  return html`<header class="top">
    <h1><a href="/__mock__/">qwenmock</a></h1>
    <nav aria-label=${t("views")} class="tabs">
      ${VIEWS.map((name) => html`<a href=${`/__mock__/#${name}`} aria-current=${current(name)}>${t(name)}</a>`)}
      <a href=${docs} aria-current=${current("docs")}>${t("docs")}</a>
    </nav>
    <button type="button" class="small" lang=${other} onClick=${() => chooseLanguage(other)}>
      ${LANGUAGES[other]}
    </button>
  </header>`;
}

function Views({ view, providers }) {
  useArrival();
  const { runs, change } = useRuns();
  const slug = decodeURIComponent(location.pathname.slice(DOCS.length + 1)) || providers[0].slug;
  const shown = {
    journal: () => html`<${Journal} providers=${providers} />`,
    playground: () => html`<${Playground} providers=${providers} runs=${runs} change=${change} />`,
    ledger: () => html`<${Ledger} />`,
    tasks: () => html`<${Tasks} />`,
    faults: () => html`<${Faults} providers=${providers} />`,
    clock: () => html`<${Clock} />`,
    request: () => html`<${RequestPage} ...${parameters()} />`,
    compare: () => html`<${Comparison} ...${parameters()} />`,
    docs: () => html`<${Reference} slug=${slug} providers=${providers} />`,
  };
  return shown[view]();
}

function Token({ done }) {
  const [error, setError] = useState(null);
  const send = async (event) => {
    event.preventDefault();
    try {
      await api("POST", "session", { token: new FormData(event.target).get("token") });
      done();
    } catch (trouble) {
      setError(trouble);
    }
  };
  return html`<form class="fields token" onSubmit=${send}>
    <h2>${t("token-needed")}</h2>
    <label>
      ${t("token")}
      <input name="token" type="password" required autocomplete="current-password" autofocus />
    </label>
    <button class="primary">${t("open")}</button>
    <${Trouble} error=${error} />
  </form>`;
}

render(html`<${Page} />`, document.body);
