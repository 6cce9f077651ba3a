// A request's page, and the comparison of two requests.
import { differenceOf } from "./diff.js";
import { Exchange } from "./exchange.js";
import { placeOf, requestAt } from "./journal_query.js";
import { Badge, coloured, html, moment, Trouble, t, useApi } from "./lib.js";

const useEntries = (id) => useApi(`journal?id=${encodeURIComponent(id)}`);

/** Everything with one id: a request, or the attempts of a callback. */
export function RequestPage({ id }) {
  const { data, error } = useEntries(id);
  return html`<section aria-labelledby="request-title">
    <h2 id="request-title">${t("request")}</h2>
    <p><a href="/__mock__/#journal">${t("to-journal")}</a></p>
    <${Trouble} error=${error} />
    ${data?.length === 0 && html`<p class="hint">${t("gone", { id })}</p>`}
    <div class="whole">${(data ?? []).map((entry) => html`<${Exchange} key=${placeOf(entry)} entry=${entry} />`)}</div>
  </section>`;
}

/** Two requests: their bodies and headers, line by line. */
export function Comparison({ a, b }) {
  const [first, second] = [useEntries(a), useEntries(b)];
  const [left, right] = [first.data?.[0], second.data?.[0]];
  const gone = [first.data?.length === 0 && a, second.data?.length === 0 && b].filter(Boolean);
  return html`<section aria-labelledby="compare-title">
    <h2 id="compare-title">${t("comparison")}</h2>
    <p><a href="/__mock__/#journal">${t("to-journal")}</a></p>
    <${Trouble} error=${first.error ?? second.error} />
    ${gone.map((id) => html`<p class="hint">${t("gone", { id })}</p>`)}
    ${left && right && html`<${Differences} left=${left} right=${right} />`}
  </section>`;
}

function Differences({ left, right }) {
  return html`
    <ul class="compared">
      <${Side} sign="-" entry=${left} /><${Side} sign="+" entry=${right} />
    </ul>
    <${Part} name="request" a=${left.request} b=${right.request} />
    <${Part} name="request-headers" a=${left.request_headers} b=${right.request_headers} />
    <${Part} name="answer" a=${left.answer} b=${right.answer} />
    <${Part} name="answer-headers" a=${left.answer_headers} b=${right.answer_headers} />`;
}

function Side({ sign, entry }) {
  return html`<li class=${sign === "-" ? "removed" : "added"}>${sign} <${Badge} status=${entry.status} />
    <a href=${requestAt(entry.id)}>${entry.id}</a> ${moment(entry.at)} ${entry.refusal?.detail}</li>`;
}

const CLASSES = { "-": "removed", "+": "added", " ": "" };

function Part({ name, a, b }) {
  const lines = differenceOf(sorted(a ?? null), sorted(b ?? null));
  const isSame = lines.every((line) => line.sign === " ");
  return html`<h3 id=${`part-${name}`}>${t(name)}</h3>
    ${
      isSame
        ? html`<p class="hint">${t("no-difference")}</p>`
        : html`<pre class="json diff" tabindex="0" aria-labelledby=${`part-${name}`}>${lines.map(({ sign, text }) => {
            const parts = coloured(text);
            if (sign === " ") return html`${"  "}${parts}${"\n"}`;
            const tag = sign === "-" ? "del" : "ins";
            return html`<${tag} class=${CLASSES[sign]}>${sign} ${parts}${"\n"}</${tag}>`;
          })}</pre>`
    }`;
}

/** Return a value whose members are in order: two objects are the same whatever order they were written in. */
function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((name) => [name, sorted(value[name])]),
  );
}
