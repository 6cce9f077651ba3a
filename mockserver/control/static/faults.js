// The fault plan: scenarios to choose from, the faults in words, and a form with everything that a fault can have.
import { said } from "./data_texts.js";
import { sentence } from "./fault_words.js";
import { api, has, html, language, Trouble, t, useApi, useRef, useState } from "./lib.js";

const GROUPS = [
  ["fault-which", ["provider", "key", "model"]],
  ["fault-often", ["times", "probability", "after_seconds", "for_seconds", "since"]],
];

export function Faults({ providers }) {
  const { data, error, read } = useApi("faults", 2);
  const document = useApi("openapi/control.json").data;
  const scenarios = useApi("scenarios").data;
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
  const start = (name) => api("PUT", "scenario", { name }).then(done, setTrouble);
  return html`<section aria-labelledby="faults-title">
    <h2 id="faults-title">${t("faults")}</h2>
    <p class="hint">${t("faults-hint")}</p>
    <${Trouble} error=${error || trouble} />
    ${scenarios && html`<${Scenarios} scenarios=${scenarios} start=${start} />`}
    <h3>${t("fault-plan")}</h3>
    ${data?.length === 0 && html`<p class="empty">${t("no-faults")}</p>`}
    <ul class="cards">
      ${(data ?? []).map((fault, at) => {
        return html`<li class="card" key=${at}>
          <p>${sentence(fault)}</p>
          <details><summary>JSON</summary><code>${JSON.stringify(fault)}</code></details>
          <button type="button" class="small" onClick=${() => remove(fault)}>${t("remove")}</button>
        </li>`;
      })}
    </ul>
    ${data?.length > 0 && html`<button type="button" onClick=${clear}>${t("clear-all")}</button>`}
    <h3>${t("add-fault")}</h3>
    ${
      document &&
      html`<${FaultForm} members=${document.components.schemas.Fault.properties} providers=${providers}
      isReady=${data !== null} add=${(fault) => change((faults) => [...faults, fault])} />`
    }
  </section>`;
}

/** A menu of the scenarios, which replace the plan. */
function Scenarios({ scenarios, start }) {
  const [name, setName] = useState(scenarios[0].name);
  const chosen = scenarios.find((scenario) => scenario.name === name);
  const submit = (event) => {
    event.preventDefault();
    start(name);
  };
  return html`<form class="filters" onSubmit=${submit}>
      <label>${t("scenario")}
        <select name="scenario" value=${name} onChange=${(event) => setName(event.target.value)}>
          ${scenarios.map((scenario) => html`<option value=${scenario.name}>${scenario.name}</option>`)}
        </select>
      </label>
      <button>${t("start-scenario")}</button>
    </form>
    <p class="hint">${said(chosen.summary)} ${said(chosen.stands_for)}</p>`;
}

/** Return the fault that a form describes: what is empty is left out. */
function faultOf(draft, members) {
  const fault = {};
  for (const [name, text] of Object.entries(draft)) {
    const { type } = members[name];
    if (text === "") continue;
    fault[name] = type === "boolean" ? text === "true" : type === "string" ? text : Number(text);
  }
  return fault;
}

function FaultForm({ members, providers, isReady, add }) {
  const [draft, setDraft] = useState({ status: "429", times: "1" });
  const submit = (event) => {
    event.preventDefault();
    add(faultOf(draft, members));
  };
  const grouped = GROUPS.flatMap(([, names]) => names);
  const effects = Object.keys(members).filter((name) => !grouped.includes(name));
  const groups = [GROUPS[0], ["fault-effects", effects], GROUPS[1]];
  const models = [...new Set(providers.flatMap((provider) => provider.models))].sort();
  const field = (name) => html`<${Member}
    key=${name} name=${name} member=${members[name]} models=${models} text=${draft[name] ?? ""}
    set=${(text) => setDraft((all) => ({ ...all, [name]: text }))} />`;
  return html`<form onSubmit=${submit}>
    ${groups.map(([title, names]) => {
      return html`<fieldset class="filters"><legend>${t(title)}</legend>${names.map(field)}</fieldset>`;
    })}
    <button class="primary" disabled=${!isReady}>${t("add-fault")}</button>
  </form>`;
}

const worded = (name, value) => (has(`value-${name}-${value}`) ? t(`value-${name}-${value}`) : value);

/** One member of a fault, as its schema describes it. */
function Member({ name, member, models, text, set }) {
  const label = has(`fault-${name}`) ? t(`fault-${name}`) : t(name);
  const attributes = { name, value: text, title: language === "en" ? member.description : undefined };
  const values = member.type === "boolean" ? ["true"] : member.type === "string" ? member.enum : undefined;
  if (values)
    return html`<label>${label}
      <select ...${attributes} onChange=${(event) => set(event.target.value)}>
        <option value="">${name === "provider" ? t("all") : "–"}</option>
        ${values.map((value) => {
          return html`<option value=${value}>${value === "true" ? t("yes") : worded(name, value)}</option>`;
        })}
      </select>
    </label>`;
  const suggested = name === "model" ? models : (member.enum ?? member.examples);
  const isNumber = member.type !== "string";
  return html`<label>${label}
    <input ...${attributes} type=${isNumber ? "number" : "text"} step=${member.type === "number" ? "any" : undefined}
      list=${suggested && `${name}-values`} placeholder=${placeholder(name, member)}
      onInput=${(event) => set(event.target.value)} />
    ${
      suggested &&
      html`<datalist id=${`${name}-values`}>${suggested.map((value) => html`<option value=${value} />`)}</datalist>`
    }
  </label>`;
}

function placeholder(name, member) {
  if (["key", "model"].includes(name)) return t("all");
  return name === "times" ? t("always") : member.default;
}
