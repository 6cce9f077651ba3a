// The shell: which view is shown, the language, and the token where one is due.
import { api, chooseLanguage, html, language, render, t, Trouble, useEffect, useState } from "./lib.js";
import { Journal, useJournal } from "./journal.js";
import { Ledger } from "./ledger.js";
import { Clock, Faults, Tasks } from "./controls.js";
import { Playground, useRuns } from "./playground.js";
import { Reference } from "./reference.js";

const VIEWS = ["journal", "playground", "ledger", "tasks", "faults", "clock"];
const DOCS = "/__mock__/docs";

function useView() {
  const read = () => (location.pathname.startsWith(DOCS) ? "docs" : VIEWS.includes(location.hash.slice(1)) ? location.hash.slice(1) : "journal");
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
  const load = () => api("GET", "providers").then((found) => (setProviders(found), setNeedsToken(false), setError(null)), setError);
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
    <header class="top">
      <h1><a href="/__mock__/">qwenmock</a></h1>
      <nav aria-label=${t("views")} class="tabs">
        ${VIEWS.map((name) => html`<a href=${`/__mock__/#${name}`} aria-current=${view === name ? "page" : undefined}>${t(name)}</a>`)}
        <a href=${`${DOCS}/${providers?.[0]?.slug ?? ""}`} aria-current=${view === "docs" ? "page" : undefined}>${t("docs")}</a>
      </nav>
      <button type="button" class="small" lang=${language === "zh" ? "en" : "zh"} onClick=${() => chooseLanguage(language === "zh" ? "en" : "zh")}>${language === "zh" ? "English" : "中文"}</button>
    </header>
    <main id="main" tabindex="-1">
      ${needsToken ? html`<${Token} done=${load} />` : html`<${Trouble} error=${error} />`}
      ${providers && !needsToken && html`<${Views} view=${view} providers=${providers} />`}
    </main>`;
}

function Views({ view, providers }) {
  const journal = useJournal();
  const { runs, change } = useRuns();
  const slug = decodeURIComponent(location.pathname.slice(DOCS.length + 1)) || providers[0].slug;
  const shown = {
    journal: () => html`<${Journal} journal=${journal} providers=${providers} />`,
    playground: () => html`<${Playground} providers=${providers} runs=${runs} change=${change} />`,
    ledger: () => html`<${Ledger} />`,
    tasks: () => html`<${Tasks} />`,
    faults: () => html`<${Faults} providers=${providers} />`,
    clock: () => html`<${Clock} />`,
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
    <h2>${t("token-due")}</h2>
    <label>${t("token")}<input name="token" type="password" required autocomplete="current-password" autofocus /></label>
    <button class="primary">${t("open")}</button>
    <${Trouble} error=${error} />
  </form>`;
}

render(html`<${Page} />`, document.body);
