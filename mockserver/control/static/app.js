// The shell: which view is shown, the language, and the admin token where one is needed.

import { useArrival } from "./arrival.js";
import { Journal } from "./journal.js";
import { asked } from "./journal_query.js";
import { api, chooseLanguage, html, language, render, Trouble, t, useEffect, useState } from "./lib.js";
import { useRuns } from "./runs.js";

const VIEWS = ["journal", "playground", "gallery", "ledger", "tasks", "faults", "clock"];
const LINKED_VIEWS = ["request", "compare"];
const DOCS = "/__mock__/docs";
// What the first page does not need is loaded when it is shown.
const LATER = {
  playground: () => import("./playground.js").then((module) => module.Playground),
  gallery: () => import("./gallery.js").then((module) => module.Gallery),
  ledger: () => import("./ledger.js").then((module) => module.Ledger),
  tasks: () => import("./tasks.js").then((module) => module.Tasks),
  faults: () => import("./faults.js").then((module) => module.Faults),
  clock: () => import("./clock.js").then((module) => module.Clock),
  request: () => import("./compare.js").then((module) => module.RequestPage),
  compare: () => import("./compare.js").then((module) => module.Comparison),
  docs: () => import("./reference.js").then((module) => module.Reference),
};
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
  if (view === "journal") return html`<${Journal} providers=${providers} />`;
  const linked = LINKED_VIEWS.includes(view) ? asked() : { slug, providers, runs, change };
  return html`<${Later} ...${linked} key=${view} view=${view} />`;
}

/** A view that is loaded now. */
function Later({ view, ...rest }) {
  const [loaded, setLoaded] = useState({ component: null, error: null });
  useEffect(() => {
    LATER[view]().then(
      (component) => setLoaded({ component, error: null }),
      (error) => setLoaded({ component: null, error }),
    );
  }, [view]);
  return loaded.component ? html`<${loaded.component} ...${rest} />` : html`<${Trouble} error=${loaded.error} />`;
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
