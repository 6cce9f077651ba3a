// The clock of the mock server: how far it is ahead, forward, and back.
import { lasting } from "./duration.js";
import { api, html, moment, Trouble, t, useApi, useState } from "./lib.js";

const STEPS = [
  ["advance-minute", 60],
  ["advance-hour", 3600],
  ["advance-day", 86400],
];

export function Clock() {
  const { data, error, read } = useApi("health", 1);
  const [trouble, setTrouble] = useState(null);
  const moved = () => {
    setTrouble(null);
    read();
  };
  const move = (seconds) => api("POST", "clock", { advance_seconds: seconds }).then(moved, setTrouble);
  const back = () => api("POST", "reset/clock", {}).then(moved, setTrouble);
  const isAhead = data?.offset > 0;
  return html`<section aria-labelledby="clock-title">
    <h2 id="clock-title">${t("clock")}</h2>
    <${Trouble} error=${error || trouble} />
    <p class="clock"><time>${data ? moment(data.now) : "…"}</time></p>
    ${
      data && html`<p role="status">${isAhead ? t("clock-ahead", { time: lasting(data.offset) }) : t("clock-real")}</p>`
    }
    <p class="hint">${t("clock-hint")}</p>
    <p class="buttons">
      ${STEPS.map(([name, seconds]) => {
        return html`<button type="button" onClick=${() => move(seconds)}>${t(name)}</button>`;
      })}
      <button type="button" class=${isAhead ? "primary" : undefined} disabled=${!isAhead} onClick=${back}>
        ${t("clock-back")}
      </button>
    </p>
  </section>`;
}
