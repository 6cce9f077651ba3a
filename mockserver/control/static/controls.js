// Tasks, faults and the clock: what is under way, and what can be made to go wrong.
import { api, html, moment, t, Trouble, useApi, useRef, useState } from "./lib.js";

export function Tasks() {
  const { data, error, read } = useApi("tasks", 1);
  const [trouble, setTrouble] = useState(null);
  const act = (path) => api("POST", path, {}).then(() => (setTrouble(null), read()), setTrouble);
  return html`<section aria-labelledby="tasks-title">
    <h2 id="tasks-title">${t("tasks")}</h2>
    <${Trouble} error=${error || trouble} />
    ${data?.length === 0 && html`<p class="hint">${t("nothing-yet")}</p>`}
    <ul class="cards">${(data ?? []).map((task) => html`<li key=${task.id} class="card">
      <h3>${task.id}</h3>
      <p>${task.provider} · ${task.model} · <b>${t(`state-${task.state}`)}</b> ${task.failure ?? ""}</p>
      <progress max="100" value=${task.progress} aria-label=${t("progress")}>${task.progress}</progress> ${task.progress} %
      <p class="buttons">
        ${["pending", "running"].includes(task.state) && html`<button type="button" class="small" onClick=${() => act(`tasks/${task.id}/cancel`)}>${t("cancel")}</button>`}
        ${task.callbacks.length > 0 && html`<button type="button" class="small" onClick=${() => act(`callbacks/${task.id}/resend`)}>${t("resend")}</button>`}
      </p>
      ${task.callbacks.map((callback) => html`<p class="hint">${callback.url}: ${callback.state}, ${t("attempts", { n: callback.attempts.length })}</p>`)}
    </li>`)}</ul>
  </section>`;
}

export function Clock() {
  const { data, error, read } = useApi("health", 1);
  const [trouble, setTrouble] = useState(null);
  const move = (seconds) => api("POST", "clock", { advance_seconds: seconds }).then(() => (setTrouble(null), read()), setTrouble);
  const back = () => api("POST", "reset/clock", {}).then(read, setTrouble);
  const steps = [["advance-minute", 60], ["advance-hour", 3600], ["advance-day", 86400]];
  return html`<section aria-labelledby="clock-title">
    <h2 id="clock-title">${t("clock")}</h2>
    <${Trouble} error=${error || trouble} />
    <p class="clock"><time>${data ? moment(data.now) : "…"}</time></p>
    <p class="hint">${t("clock-hint")}</p>
    <p class="buttons">${steps.map(([name, seconds]) => html`<button type="button" onClick=${() => move(seconds)}>${t(name)}</button>`)}
      <button type="button" onClick=${back}>${t("clock-back")}</button></p>
  </section>`;
}

const EMPTY = { provider: "", key: "", status: "429", times: "1", delay_ms: "", drop: "", fail_images: "", probability: "" };

export function Faults({ providers }) {
  const { data, error, read } = useApi("faults", 2);
  const [draft, setDraft] = useState(EMPTY);
  const [trouble, setTrouble] = useState(null);
  const changes = useRef(Promise.resolve());
  // One after another, each on the plan as it is then: what is shown may be older than the last click, or a request.
  const change = (edit) => {
    const changed = () => api("GET", "faults").then((faults) => api("PUT", "faults", edit(faults)));
    changes.current = changes.current.then(changed).then(() => (setTrouble(null), read()), setTrouble);
  };
  const remove = (gone) => change((faults) => {
    const at = faults.findIndex((fault) => JSON.stringify(fault) === JSON.stringify(gone));
    return faults.filter((_, i) => i !== at);
  });
  const arm = (event) => {
    event.preventDefault();
    const fault = {};
    for (const name of ["provider", "key", "drop"]) if (draft[name]) fault[name] = draft[name];
    for (const name of ["status", "times", "delay_ms", "fail_images", "probability"]) if (draft[name] !== "") fault[name] = Number(draft[name]);
    change((faults) => [...faults, fault]);
  };
  const set = (name) => (event) => setDraft({ ...draft, [name]: event.target.value });
  const number = (name, attributes = {}) => html`<label>${t(`fault-${name}`)}<input name=${name} type="number" min="0" value=${draft[name]} onInput=${set(name)} ...${attributes} /></label>`;
  return html`<section aria-labelledby="faults-title">
    <h2 id="faults-title">${t("faults")}</h2>
    <p class="hint">${t("faults-hint")}</p>
    <${Trouble} error=${error || trouble} />
    <form class="filters" onSubmit=${arm}>
      <label>${t("provider")}<select name="provider" value=${draft.provider} onChange=${set("provider")}>
        <option value="">${t("all")}</option>${providers.map((p) => html`<option value=${p.slug}>${p.slug}</option>`)}</select></label>
      <label>${t("key")}<input name="key" value=${draft.key} onInput=${set("key")} placeholder=${t("all")} /></label>
      ${number("status")} ${number("times", { placeholder: t("always") })} ${number("delay_ms")} ${number("fail_images")}
      ${number("probability", { step: "0.01", max: "1" })}
      <label>${t("fault-drop")}<select name="drop" value=${draft.drop} onChange=${set("drop")}>
        <option value="">–</option><option value="before">${t("drop-before")}</option><option value="mid-body">${t("drop-mid-body")}</option></select></label>
      <button disabled=${!data}>${t("arm")}</button>
    </form>
    ${data?.length === 0 && html`<p class="hint">${t("no-faults")}</p>`}
    <ul class="cards">${(data ?? []).map((fault, at) => html`<li class="card" key=${at}>
      <code>${JSON.stringify(fault)}</code>
      <button type="button" class="small" onClick=${() => remove(fault)}>${t("remove")}</button>
    </li>`)}</ul>
    ${data?.length > 0 && html`<button type="button" onClick=${() => api("DELETE", "faults", {}).then(read, setTrouble)}>${t("clear-all")}</button>`}
  </section>`;
}
