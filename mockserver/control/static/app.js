// The shell: which view is shown, the language, and the admin token where one is needed.

import { Journal, useJournal } from "./journal.js";
import { api, chooseLanguage, html, language, render, Trouble, t, useEffect, useState } from "./lib.js";
import { useRuns } from "./runs.js";

const VIEWS = ["journal", "playground", "gallery", "ledger", "tasks", "faults", "clock"];
const DOCS = "/__mock__/docs";
// What the first page does not need is loaded when it is shown.
const LATER = {
  playground: () => import("./playground.js").then((module) => module.Playground),
  gallery: () => import("./gallery.js").then((module) => module.Gallery),
  ledger: () => import("./ledger.js").then((module) => module.Ledger),
  tasks: () => import("./tasks.js").then((module) => module.Tasks),
  faults: () => import("./faults.js").then((module) => module.Faults),
  clock: () => import("./clock.js").then((module) => module.Clock),
  docs: () => import("./reference.js").then((module) => module.Reference),
};
const LANGUAGES = { en: "English", zh: "中文" };

function useView() {
  const read = () =>
    location.pathname.startsWith(DOCS)
      ? "docs"
      : VIEWS.includes(location.hash.slice(1))
        ? location.hash.slice(1)
        : "journal";
  const [view, setView] = useState(read);
  useEffect(() => {
    const follow = () => setView(read());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return view;
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
  const current = (name) => (view === name ? "page" : undefined);
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
  const journal = useJournal();
  const { runs, change } = useRuns();
  const slug = decodeURIComponent(location.pathname.slice(DOCS.length + 1)) || providers[0].slug;
  if (view === "journal") return html`<${Journal} journal=${journal} providers=${providers} />`;
  return html`<${Later} key=${view} view=${view} slug=${slug} providers=${providers} runs=${runs} change=${change} />`;
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
