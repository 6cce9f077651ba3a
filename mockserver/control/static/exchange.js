// One request and its answer: everything that is known of them, and what can be done with them.
import { comparisonOf, journalWith, requestAt } from "./journal_query.js";
import { markedLines, refusedPlace } from "./json_lines.js";
import {
  api,
  Badge,
  Certainty,
  Copy,
  coloured,
  html,
  Json,
  moment,
  pictures,
  Trouble,
  t,
  useApi,
  useEffect,
  useState,
} from "./lib.js";
import { canBeSent, sendAgain, textOfNoJson } from "./resend.js";
import { Cost } from "./runs.js";
import { callOf, snippets } from "./snippets.js";
import { Source } from "./source.js";
import { openInPlayground } from "./wanted.js";

export function Exchange({ entry, close }) {
  const found = pictures(entry.answer);
  const alt = entry.effective_prompt || t("picture");
  const isCallback = entry.endpoint === "callback";
  return html`<article class="detail" aria-label=${t("exchange")}>
    <header><h3><${Badge} status=${entry.status} /> ${entry.method} ${entry.path}</h3>
      ${close && html`<button type="button" class="small" onClick=${close}>${t("close")}</button>`}</header>
    <p class="hint"><a href=${requestAt(entry.id)}>${entry.id}</a> ·${" "}
      ${[moment(entry.at), `${t("key")} ${entry.key || "–"}`, entry.variant || entry.endpoint, entry.model]
        .filter(Boolean)
        .join(" · ")}</p>
    ${entry.refusal && html`<${Refusal} refusal=${entry.refusal} rule=${entry.rule} />`}
    ${entry.advisories.map((text) => html`<p class="advisory">${text}</p>`)}
    ${entry.charge && html`<${Cost} charge=${entry.charge} />`}
    <${Links} entry=${entry} />
    ${
      found.length > 0 &&
      html`<div class="pictures">
      ${found.map(
        (url) => html`<a href=${url} target="_blank" rel="noreferrer">
        <img src=${url} alt=${alt} loading="lazy" /></a>`,
      )}
    </div>`
    }
    ${isCallback ? html`<${Callback} entry=${entry} />` : html`<${Actions} entry=${entry} />`}
    <${Timing} entry=${entry} />
    ${!isCallback && html`<${Programs} entry=${entry} />`}
    <h4>${t("request")}</h4>
    <${Headers} headers=${entry.request_headers} name="request-headers" refused=${refusedHeader(entry)} />
    <${Body} value=${entry.request} place=${refusedPlace(entry)} reason=${entry.refusal?.detail} />
    <h4>${t("answer")}</h4>
    <${Headers} headers=${entry.answer_headers} name="answer-headers" />
    <${Json} value=${entry.answer} />
  </article>`;
}

/** Where the rest of it is: its charge, its task, and the callbacks and queries of that. */
function Links({ entry }) {
  const { charge, task } = entry;
  if (!charge && !task) return null;
  return html`<nav class="links" aria-label=${t("belongs")}>
    ${charge && html`<a href=${`/__mock__/#ledger?at=charge-${entry.id}`}>${t("to-charge")}</a>`}
    ${task && html`<a href=${`/__mock__/#tasks?at=task-${task}`}>${t("to-task")}</a>`}
    ${task && html`<a href=${journalWith({ task })}>${t("to-task-requests")}</a>`}
  </nav>`;
}

function Actions({ entry }) {
  const [again, setAgain] = useState(null);
  const [error, setError] = useState(null);
  const [isSending, setSending] = useState(false);
  const send = async () => {
    setSending(true);
    setError(null);
    try {
      setAgain(await sendAgain(entry));
    } catch (trouble) {
      setError(trouble);
    } finally {
      setSending(false);
    }
  };
  const { provider, variant, request } = entry;
  return html`<div class="actions">
    <p class="buttons">
      ${
        canBeSent(entry) &&
        html`<button type="button" disabled=${isSending} onClick=${send}>${t("send-again")}</button>`
      }
      ${
        variant &&
        html`<button type="button" onClick=${() => openInPlayground({ provider, variant, request })}>
          ${t("open-in-playground")}</button>`
      }
      <${Comparisons} entry=${entry} />
    </p>
    <${Trouble} error=${error} />
    ${again && html`<${Again} entry=${entry} again=${again} />`}
  </div>`;
}

function Again({ entry, again }) {
  return html`<p role="status">${t("sent-again")} <${Badge} status=${again.status} />
    <a href=${requestAt(again.id)}>${again.id}</a> ·
    <a href=${comparisonOf(entry.id, again.id)}>${t("compare")}</a>
    ${again.standIns > 0 && html`<span class="hint">${t("stand-ins", { n: again.standIns })}</span>`}</p>`;
}

const KEPT = "qwenmock-compared";

const remembered = () => {
  try {
    return sessionStorage.getItem(KEPT);
  } catch {
    return null; // storage may be forbidden: only the comparison with an accepted request is offered then
  }
};

/** Links to comparisons: of a refused request with the last accepted one, and with another one that was remembered. */
function Comparisons({ entry }) {
  const [other, setOther] = useState(remembered);
  const remember = () => {
    try {
      sessionStorage.setItem(KEPT, entry.id);
    } finally {
      setOther(entry.id);
    }
  };
  const accepted = useLastAccepted(entry);
  return html`
    ${accepted && html`<a href=${comparisonOf(accepted, entry.id)}>${t("compare-accepted")}</a>`}
    ${other && other !== entry.id && html`<a href=${comparisonOf(other, entry.id)}>${t("compare-chosen")}</a>`}
    <button type="button" aria-pressed=${other === entry.id} onClick=${remember}>
      ${t(other === entry.id ? "chosen" : "choose-compare")}</button>`;
}

/** Return the id of the last accepted request of the same variant, or endpoint; null for none. */
function useLastAccepted({ id, provider, variant, refusal }) {
  const [found, setFound] = useState(null);
  useEffect(() => {
    if (refusal === null) return;
    const query = new URLSearchParams({ provider, status: "2xx", limit: "20", ...(variant ? { variant } : {}) });
    api("GET", `journal?${query}`).then(
      (entries) => setFound(entries.find((each) => each.request !== null && each.endpoint !== "callback")?.id ?? null),
      () => setFound(null), // there is nothing to compare with
    );
  }, [id]);
  return found;
}

function Callback({ entry }) {
  const [state, setState] = useState({});
  const send = () =>
    api("POST", `callbacks/${encodeURIComponent(entry.id)}/resend`, {}).then(
      (sent) => setState({ sent }),
      (error) => setState({ error }),
    );
  return html`<p class="buttons"><button type="button" onClick=${send}>${t("resend")}</button>
    ${state.sent && html`<span role="status"><a href=${requestAt(state.sent.id)}>${state.sent.id}</a></span>`}</p>
    <${Trouble} error=${state.error} />`;
}

function Refusal({ refusal, rule }) {
  return html`<div class="refusal">
    <p><b>${refusal.detail}</b></p>
    ${
      rule &&
      html`<dl>
      <dt>${t("rule")}</dt>
      <dd><code>${rule.id}</code> <a href=${journalWith({ rule: rule.id })}>${t("same-rule")}</a></dd>
      <dt>${t("source")}</dt><dd><${Source} text=${rule.source} /></dd>
      <dt>${t("certainty")}</dt><dd><${Certainty} value=${rule.certainty} /></dd>
    </dl>`
    }
  </div>`;
}

/** Return the name of the header that was refused; "" if none was. */
function refusedHeader(entry) {
  const [, group, name] = entry.rule?.id.split("/") ?? [];
  return group === "http" && ["authorization", "content-type"].includes(name) ? name : "";
}

function Headers({ headers, name, refused = "" }) {
  if (headers === undefined) return null;
  const shown = refused in headers || !refused ? headers : { [refused]: t("missing"), ...headers };
  const rows = Object.entries(shown);
  return html`<details class="headers" open=${Boolean(refused)}>
    <summary>${t(name)} (${rows.length})</summary>
    <table><tbody>${rows.map(([header, value]) => {
      const text = header === refused ? html`<mark>${value}</mark>` : value;
      return html`<tr><th scope="row">${header}</th><td>${text}</td></tr>`;
    })}</tbody></table>
  </details>`;
}

/** A body with the member marked that was refused. */
function Body({ value, place, reason }) {
  if (place === null) return html`<${Json} value=${value} />`;
  return html`<pre class="json" tabindex="0">${markedLines(value, place).map((line) => {
    const text = coloured(line.text);
    if (!line.isMarked) return html`${text}${"\n"}`;
    return html`<mark title=${reason}>${text}${line.isMissing && ` – ${t("missing")}`}</mark>${"\n"}`;
  })}</pre>`;
}

/** Buttons that copy the request as programs; the contract says how its endpoint is called. */
function Programs({ entry }) {
  const { data } = useApi(`contract/${encodeURIComponent(entry.provider)}`);
  const endpoint = data?.endpoints.find((each) => each.name === entry.endpoint);
  if (!endpoint) return null;
  const prefix = `/${entry.provider}/`;
  const path = entry.path.startsWith(prefix) ? entry.path.slice(prefix.length - 1) : entry.path;
  const call = { ...callOf(entry.provider, { ...endpoint, path }, entry.request), noJson: textOfNoJson(entry) };
  const programs = Object.entries(snippets(call));
  return html`<p class="buttons">
    ${programs.map(([name, text]) => html`<${Copy} key=${name} text=${text} label=${t("copy-as", { name })} />`)}
  </p>`;
}

function Timing({ entry }) {
  const rows = Object.entries(entry.microseconds ?? {}).reverse();
  const max = Math.max(1, ...rows.map(([, n]) => n));
  return html`<details><summary>${t("timing")}: ${entry.milliseconds.toFixed(1)} ms</summary>
    <table class="timing"><tbody>
    ${rows.map(
      ([name, n]) => html`<tr><th scope="row">${name}</th><td>${n} µs</td>
      <td><meter min="0" max=${max} value=${n} aria-label=${name}>${n}</meter></td></tr>`,
    )}
    </tbody></table>
  </details>`;
}
