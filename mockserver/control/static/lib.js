// What every view uses: rendering, the control API, texts, small pieces.

import { TEXTS } from "./texts.js";
import { useCallback, useEffect, useMemo, useRef, useState } from "./vendor/hooks.js";
import htm from "./vendor/htm.js";
import { Fragment, h, render } from "./vendor/preact.js";

export const html = htm.bind(h);
export { Fragment, render, useCallback, useEffect, useMemo, useRef, useState };

const LANGUAGE_KEY = "qwenmock-language";
const stored = (key) => {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // storage may be forbidden: the page works without
  }
};
export const language = stored(LANGUAGE_KEY) || (navigator.language.startsWith("zh") ? "zh" : "en");
document.documentElement.lang = language;

export function chooseLanguage(name) {
  try {
    localStorage.setItem(LANGUAGE_KEY, name);
  } finally {
    location.reload();
  }
}

/** Return a text in the page's language; {name} in it is replaced. */
export function t(key, values = {}) {
  const text = TEXTS[language][key] ?? TEXTS.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/** Return whether there is a text. */
export const has = (key) => key in TEXTS.en;

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Call the control API; `body` is sent as JSON, bytes as they are. */
export async function api(method, path, body) {
  const isBytes = body instanceof Blob;
  const answer = await fetch(`/__mock__/${path}`, {
    method,
    headers: method === "GET" ? {} : { "Content-Type": isBytes ? body.type || "image/png" : "application/json" },
    body: body === undefined ? undefined : isBytes ? body : JSON.stringify(body),
  });
  const content = await answer.json().catch(() => ({ error: answer.statusText }));
  if (!answer.ok) {
    if (answer.status === 401) window.dispatchEvent(new Event("qwenmock-token"));
    throw new ApiError(answer.status, content.error || answer.statusText);
  }
  return content;
}

/** Read a path now and every so often; gives what came, the trouble there was, and a way to read again at once. */
export function useApi(path, seconds) {
  const [state, setState] = useState({ data: null, error: null });
  const read = useCallback(
    () =>
      api("GET", path).then(
        (data) => setState({ data, error: null }),
        (error) => setState((s) => ({ ...s, error })),
      ),
    [path],
  );
  useEffect(() => {
    read();
    if (!seconds) return undefined;
    const timer = setInterval(() => document.hidden || read(), seconds * 1000);
    return () => clearInterval(timer);
  }, [read, seconds]);
  return { ...state, read };
}

export const money = (amount, currency) => `${amount} ${currency}`;
export const time = (seconds) => new Date(seconds * 1000).toLocaleTimeString(language);
export const moment = (seconds) => new Date(seconds * 1000).toLocaleString(language);

/** Links to pictures carry the address that the client called; here they are fetched from the page's own. */
export function local(url) {
  const at = url.indexOf("/__files__/");
  return at < 0 ? url : url.slice(at);
}

/** Return the pictures that a value holds, as paths. */
export function pictures(value, found = []) {
  if (typeof value === "string") {
    if (value.includes("/__files__/") && !found.includes(local(value))) found.push(local(value));
  } else if (value && typeof value === "object") {
    for (const member of Object.values(value)) pictures(member, found);
  }
  return found;
}

const TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Return the parts of a JSON text in colours. Everything becomes text nodes, so that nothing in it can act. */
export function coloured(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    parts.push(text.slice(end, match.index));
    const kind = match[2] ? "name" : match[1] ? "string" : match[3] ? "word" : "number";
    parts.push(html`<span class=${`json-${kind}`}>${match[1] ?? match[0]}</span>`, match[2] ?? "");
    end = match.index + match[0].length;
  }
  return [...parts, text.slice(end)];
}

export function Json({ value }) {
  return html`<pre class="json" tabindex="0">${coloured(JSON.stringify(value, null, 2) ?? "")}</pre>`;
}

export function Copy({ text, label }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without a secure origin there is no clipboard API; a selection still copies.
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return html`<button type="button" class="small" onClick=${copy}>${done ? t("copied") : label}</button>`;
}

export function Trouble({ error }) {
  return error ? html`<p class="trouble" role="alert">${error.message}</p>` : null;
}

export function Badge({ status }) {
  const kind = status >= 500 || status === 0 ? "bad" : status >= 400 ? "warn" : "good";
  return html`<span class=${`badge ${kind}`}>${status || "–"}</span>`;
}

export function Certainty({ value }) {
  return html`<span class=${`certainty ${value}`} title=${t(`certainty-${value}`)}>${t(value)}</span>`;
}
