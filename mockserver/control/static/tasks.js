// Tasks: what they draw, how far they are, what they cost, and their callbacks.
import { Empty, ToPlayground } from "./empty.js";
import { api, html, local, moment, money, Trouble, t, useApi, useState } from "./lib.js";
import { ToRequest } from "./links.js";

export function Tasks({ providers }) {
  const { data, error, read } = useApi("tasks", 1);
  const charges = useApi("ledger?limit=1000", 2).data?.charges ?? [];
  const [trouble, setTrouble] = useState(null);
  const done = () => {
    setTrouble(null);
    read();
  };
  const act = (path) => api("POST", path, {}).then(done, setTrouble);
  const currencies = Object.fromEntries(providers.map((provider) => [provider.slug, provider.currency]));
  return html`<section aria-labelledby="tasks-title">
    <h2 id="tasks-title">${t("tasks")}</h2>
    <${Trouble} error=${error || trouble} />
    ${data?.length === 0 && html`<${Empty} text=${t("empty-tasks")} makesTask><${ToPlayground} /></${Empty}>`}
    <ul class="cards">
      ${(data ?? []).map((task) => {
        const charge = charges.find((each) => each.request_id === task.request_id);
        return html`<${Task} key=${task.id} task=${task} charge=${charge} currency=${currencies[task.provider]}
          act=${act} />`;
      })}
    </ul>
  </section>`;
}

const isRunning = (task) => ["pending", "running"].includes(task.state);

function Task({ task, charge, currency, act }) {
  const { progress, callbacks } = task;
  return html`<li class="card" id=${`task-${task.id}`}>
    <h3>${task.prompt}</h3>
    <p><b>${t(`state-${task.state}`)}</b> ${task.failure ?? ""} · ${task.provider} · ${task.model}</p>
    <progress max="100" value=${progress} aria-label=${t("progress")}>${progress}</progress> ${progress} %
    <${Facts} task=${task} charge=${charge} currency=${currency} />
    <div class="pictures">
      ${task.urls.map((url) => {
        return html`<a href=${local(url)} target="_blank" rel="noreferrer" aria-label=${task.prompt || t("picture")}>
          <img src=${local(url)} alt=${task.prompt} loading="lazy" />
        </a>`;
      })}
    </div>
    <p class="buttons">
      ${isRunning(task) && html`<${Button} act=${() => act(`tasks/${task.id}/cancel`)} text=${t("cancel")} />`}
      ${callbacks.length > 0 && html`<${Button} act=${() => act(`callbacks/${task.id}/resend`)} text=${t("resend")} />`}
    </p>
    ${callbacks.map((callback) => {
      const attempts = t("attempts", { n: callback.attempts.length });
      return html`<p class="hint">${callback.url}: ${t(`delivery-${callback.state}`)}, ${attempts}</p>`;
    })}
  </li>`;
}

function Facts({ task, charge, currency }) {
  const cost = charge ? money(charge.amount, charge.currency) : isRunning(task) ? money(task.reserved, currency) : "–";
  return html`<dl>
    <dt>${t("task")}</dt><dd><code>${task.id}</code></dd>
    <dt>${t("created")}</dt>
    <dd><${ToRequest} id=${task.request_id}>${moment(task.created)}</${ToRequest}></dd>
    ${isRunning(task) && html`<dt>${t("ends")}</dt><dd>${moment(task.ends)}</dd>`}
    ${
      // A cancelled task has the time at which it would have ended.
      !isRunning(task) &&
      task.state !== "cancelled" &&
      html`<dt>${t("took")}</dt><dd>${`${(task.ends - task.created).toFixed(1)} s`}</dd>`
    }
    <dt>${t(isRunning(task) ? "reserved" : "cost")}</dt><dd>${cost}</dd>
  </dl>`;
}

function Button({ act, text }) {
  return html`<button type="button" class="small" onClick=${act}>${text}</button>`;
}
