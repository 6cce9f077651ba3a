// Tasks, the clock and the fault plan.
import { Empty, ToPlayground } from "./empty.js";
import { api, html, moment, Trouble, t, useApi, useRef, useState } from "./lib.js";

export function Tasks() {
  const { data, error, read } = useApi("tasks", 1);
  const [trouble, setTrouble] = useState(null);
  const done = () => {
    setTrouble(null);
    read();
  };
  const act = (path) => api("POST", path, {}).then(done, setTrouble);
  return html`<section aria-labelledby="tasks-title">
    <h2 id="tasks-title">${t("tasks")}</h2>
    <${Trouble} error=${error || trouble} />
    ${data?.length === 0 && html`<${Empty} text=${t("empty-tasks")} makesTask><${ToPlayground} /></${Empty}>`}
    <ul class="cards">${(data ?? []).map((task) => html`<${Task} key=${task.id} task=${task} act=${act} />`)}</ul>
  </section>`;
}

function Task({ task, act }) {
  const isRunning = ["pending", "running"].includes(task.state);
  const { progress, callbacks } = task;
  return html`<li class="card">
    <h3>${task.id}</h3>
    <p>${task.provider} · ${task.model} · <b>${t(`state-${task.state}`)}</b> ${task.failure ?? ""}</p>
    <progress max="100" value=${progress} aria-label=${t("progress")}>${progress}</progress> ${progress} %
    <p class="buttons">
      ${isRunning && html`<${Button} act=${() => act(`tasks/${task.id}/cancel`)} text=${t("cancel")} />`}
      ${callbacks.length > 0 && html`<${Button} act=${() => act(`callbacks/${task.id}/resend`)} text=${t("resend")} />`}
    </p>
    ${callbacks.map((callback) => {
      const attempts = t("attempts", { n: callback.attempts.length });
      return html`<p class="hint">${callback.url}: ${callback.state}, ${attempts}</p>`;
    })}
  </li>`;
}

function Button({ act, text }) {
  return html`<button type="button" class="small" onClick=${act}>${text}</button>`;
}

export function Clock() {
  const { data, error, read } = useApi("health", 1);
  const [trouble, setTrouble] = useState(null);
  const moved = () => {
    setTrouble(null);
    read();
  };
  const move = (seconds) => api("POST", "clock", { advance_seconds: seconds }).then(moved, setTrouble);
  const back = () => api("POST", "reset/clock", {}).then(read, setTrouble);
  const steps = [
    ["advance-minute", 60],
    ["advance-hour", 3600],
    ["advance-day", 86400],
  ];
  return html`<section aria-labelledby="clock-title">
    <h2 id="clock-title">${t("clock")}</h2>
    <${Trouble} error=${error || trouble} />
    <p class="clock"><time>${data ? moment(data.now) : "…"}</time></p>
    <p class="hint">${t("clock-hint")}</p>
    <p class="buttons">
      ${steps.map(([name, seconds]) => {
        return html`<button type="button" onClick=${() => move(seconds)}>${t(name)}</button>`;
      })}
      <button type="button" onClick=${back}>${t("clock-back")}</button>
    </p>
  </section>`;
}

const TEXTS = ["provider", "key", "drop"];
const NUMBERS = ["status", "times", "delay_ms", "fail_images", "probability"];
const EMPTY = { ...Object.fromEntries([...TEXTS, ...NUMBERS].map((name) => [name, ""])), status: "429", times: "1" };

/** Return the fault that a form describes: what is empty is left out. */
function faultOf(draft) {
  const fault = {};
  for (const name of TEXTS) if (draft[name]) fault[name] = draft[name];
  for (const name of NUMBERS) if (draft[name] !== "") fault[name] = Number(draft[name]);
  return fault;
}

export function Faults({ providers }) {
  const { data, error, read } = useApi("faults", 2);
  const [trouble, setTrouble] = useState(null);
  const changes = useRef(Promise.resolve());
  const done = () => {
    setTrouble(null);
    read();
  };
  // One after another, each on the current plan: what is shown may be older than the last click.
  const change = (edit) => {
    const changed = () => api("GET", "faults").then((faults) => api("PUT", "faults", edit(faults)));
    changes.current = changes.current.then(changed).then(done, setTrouble);
  };
  const remove = (gone) =>
    change((faults) => {
      const at = faults.findIndex((fault) => JSON.stringify(fault) === JSON.stringify(gone));
      return faults.filter((_, i) => i !== at);
    });
  const clear = () => api("DELETE", "faults", {}).then(done, setTrouble);
  return html`<section aria-labelledby="faults-title">
    <h2 id="faults-title">${t("faults")}</h2>
    <p class="hint">${t("faults-hint")}</p>
    <${Trouble} error=${error || trouble} />
    <${FaultForm} providers=${providers} isReady=${data !== null}
      add=${(fault) => change((faults) => [...faults, fault])} />
    ${data?.length === 0 && html`<p class="hint">${t("no-faults")}</p>`}
    <ul class="cards">
      ${(data ?? []).map((fault, at) => {
        return html`<li class="card" key=${at}>
          <code>${JSON.stringify(fault)}</code> <${Button} act=${() => remove(fault)} text=${t("remove")} />
        </li>`;
      })}
    </ul>
    ${data?.length > 0 && html`<button type="button" onClick=${clear}>${t("clear-all")}</button>`}
  </section>`;
}

function FaultForm({ providers, isReady, add }) {
  const [draft, setDraft] = useState(EMPTY);
  const submit = (event) => {
    event.preventDefault();
    add(faultOf(draft));
  };
  const set = (name) => (event) => setDraft({ ...draft, [name]: event.target.value });
  const number = (name, attributes = {}) => html`<label>
    ${t(`fault-${name}`)}
    <input name=${name} type="number" min="0" value=${draft[name]} onInput=${set(name)} ...${attributes} />
  </label>`;
  return html`<form class="filters" onSubmit=${submit}>
    <label>
      ${t("provider")}
      <select name="provider" value=${draft.provider} onChange=${set("provider")}>
        <option value="">${t("all")}</option>
        ${providers.map((p) => html`<option value=${p.slug}>${p.slug}</option>`)}
      </select>
    </label>
    <label>${t("key")}<input name="key" value=${draft.key} onInput=${set("key")} placeholder=${t("all")} /></label>
    ${number("status")}
    ${number("times", { placeholder: t("always") })}
    ${number("delay_ms")}
    ${number("fail_images")}
    ${number("probability", { step: "0.01", max: "1" })}
    <label>
      ${t("fault-drop")}
      <select name="drop" value=${draft.drop} onChange=${set("drop")}>
        <option value="">–</option>
        <option value="before">${t("drop-before")}</option>
        <option value="mid-body">${t("drop-mid-body")}</option>
      </select>
    </label>
    <button disabled=${!isReady}>${t("add-fault")}</button>
  </form>`;
}
