// The requests that the playground has sent: carrying one out, remembering them, and showing one.
import { promptOf, valueAt } from "./form.js";
import { api, Badge, html, Json, local, money, pictures, t, useState } from "./lib.js";

const HISTORY_KEY = "qwenmock-history";
const HISTORY = 20;
const LONGEST_KEPT = 50_000;
const POLL_MS = 300;

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(HISTORY_KEY)) ?? [];
  } catch {
    return [];
  }
}

/** Return a run as it is kept: pictures that are part of the page are gone when it is loaded again. */
function kept({ inputs = [], request, ...rest }) {
  const isShort = JSON.stringify(request ?? null).length <= LONGEST_KEPT;
  const small = inputs.map(({ name, shown }) => ({
    name,
    shown: shown?.startsWith("data:") && shown.length <= LONGEST_KEPT ? shown : null,
  }));
  return { ...rest, inputs: small, request: isShort ? request : undefined };
}

function remember(runs) {
  const ended = runs.filter((run) => run.isDone).map(kept);
  try {
    localStorage.setItem(HISTORY_KEY, JSON.stringify(ended));
  } catch {
    rememberWithoutPictures(ended);
  }
}

function rememberWithoutPictures(ended) {
  try {
    localStorage.setItem(HISTORY_KEY, JSON.stringify(ended.map((run) => ({ ...run, inputs: [] }))));
  } catch {
    // The storage may be full or forbidden: the history is then lost with the page.
  }
}

/** The runs of this page: those in progress, and the last that ended. They outlive a change of the view. */
export function useRuns() {
  const [runs, setRuns] = useState(() => remembered().map((run) => ({ ...run, isDone: true })));
  const change = (id, news) =>
    setRuns((all) => {
      const isKnown = all.some((run) => run.id === id);
      const next = isKnown ? all.map((run) => (run.id === id ? { ...run, ...news } : run)) : [{ id, ...news }, ...all];
      if (news.isDone) remember(next.slice(0, HISTORY));
      return next.slice(0, HISTORY);
    });
  return { runs, change };
}

/** Send a request, follow its task if it creates one, and look up what it cost. */
export async function carryOut({ slug, variant, apiKey, request, text, inputs, rules }, change) {
  const id = `${Date.now()}-${Math.random()}`;
  const began = performance.now();
  const finish = (news) => change(id, { ...news, isDone: true, took: performance.now() - began });
  const prompt = promptOf(variant, request);
  change(id, { at: Date.now() / 1000, provider: slug, variant: variant.name, request, inputs, prompt, isDone: false });
  try {
    const answer = await send(slug, variant, apiKey, text);
    let content = await answer.json();
    let urls = pictures(content);
    if (answer.ok && variant.task_id) {
      const task = await ended(valueAt(content, variant.task_id), (progress) => change(id, { progress }));
      urls = task.urls.map(local);
      content = { ...content, task };
    }
    const rule = brokenRule(answer, rules);
    finish({ status: answer.status, answer: content, urls, rule, charge: await chargeOf(answer) });
  } catch (error) {
    finish({ status: 0, answer: { error: error.message }, urls: [] });
  }
}

function send(slug, variant, apiKey, text) {
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${apiKey}` };
  if (variant.required_header) headers[variant.required_header[0]] = variant.required_header[1];
  return fetch(`/${slug}${variant.path}`, { method: variant.method, headers, body: text });
}

async function chargeOf(answer) {
  const id = encodeURIComponent(answer.headers.get("x-request-id"));
  const { charges } = await api("GET", `ledger?request_id=${id}&limit=1`);
  return charges[0] ?? null;
}

/** Return the rule that a refusal names, with its source as the contract words it; the header has the file's name. */
function brokenRule(answer, rules) {
  const id = answer.headers.get("x-qwenmock-rule");
  return id ? { id, source: rules.find((rule) => rule.id === id)?.source } : null;
}

/** Return a task, as the control API has it, when it has ended. */
async function ended(taskId, onProgress) {
  for (;;) {
    const task = await api("GET", `tasks/${encodeURIComponent(taskId)}`);
    onProgress(task.progress);
    if (!["pending", "running"].includes(task.state)) return task;
    await new Promise((go) => setTimeout(go, POLL_MS));
  }
}

export function Run({ run, again }) {
  const inputs = run.inputs ?? [];
  const urls = run.urls ?? [];
  const seconds = run.took === undefined ? null : html`<small>${(run.took / 1000).toFixed(2)} s</small>`;
  const status = run.isDone
    ? html`<${Badge} status=${run.status} />`
    : html`<progress max="100" value=${run.progress} aria-label=${t("running")}></progress>`;
  const label = `${t("use-again")}: ${run.prompt}`;
  return html`<li class="card run">
    <h4>${status} ${run.provider} · ${run.variant} ${seconds}</h4>
    <p>${run.prompt}</p>
    ${run.rule && html`<p class="trouble"><code>${run.rule.id}</code> ${run.rule.source}</p>`}
    <div class=${inputs.length > 0 ? "beside" : ""}>
      ${
        inputs.length > 0 &&
        html`<div class="pictures">${inputs.map(({ name, shown }) =>
          shown
            ? html`<${Figure} url=${shown} alt=${t("input")} caption=${t("input")} />`
            : html`<p class="hint">${t("input")}: ${name}</p>`,
        )}</div>`
      }
      <div class="pictures outcome">
        ${urls.map((url) => html`<${Figure} url=${url} alt=${run.prompt} caption=${t("result")} isLink />`)}
      </div>
    </div>
    ${run.charge && html`<${Cost} charge=${run.charge} />`}
    ${
      run.request &&
      html`<button type="button" class="small" aria-label=${label} onClick=${() => again(run)}>
        ${t("use-again")}
      </button>`
    }
    ${run.answer && html`<details><summary>${t("answer")}</summary><${Json} value=${run.answer} /></details>`}
  </li>`;
}

function Figure({ url, alt, caption, isLink }) {
  const image = html`<img src=${url} alt=${alt} loading=${isLink ? "lazy" : undefined} />`;
  return html`<figure>
    ${isLink ? html`<a href=${url} target="_blank" rel="noreferrer">${image}</a>` : image}
    <figcaption>${caption}</figcaption>
  </figure>`;
}

export function Cost({ charge }) {
  const amount = money(charge.amount, charge.currency);
  return html`<p>${t("cost")}: <b>${amount}</b>, ${t("images", { n: charge.images })}</p>`;
}
