// What a view shows while it has nothing to show: what will be here, and something to copy and to click.
import { Copy, html, t, useApi } from "./lib.js";
import { callOf, curl } from "./snippets.js";

const KEY = "sk-mock";

/** Nothing has come yet: a documented request to copy, with `makesTask` one of a task, and `children` to click. */
export function Empty({ text, makesTask = false, children }) {
  const { data } = useApi("examples");
  const example = data?.find((each) => each.makes_task === makesTask);
  const command = example && curl({ ...callOf(example.provider, example, example.request), key: KEY });
  return html`<div class="empty">
    <p><b>${t("nothing-yet")}</b> ${text}</p>
    ${command && html`<pre class="json" tabindex="0">${command}</pre>`}
    <p class="buttons">
      ${command && html`<${Copy} text=${command} label=${t("copy-as", { name: "curl" })} />`} ${children}
    </p>
  </div>`;
}

/** There is something, but not for the filters that are set. */
export function NoMatch({ clear }) {
  return html`<div class="empty">
    <p>${t("no-match")}</p>
    <p class="buttons"><button type="button" class="small" onClick=${clear}>${t("clear-filters")}</button></p>
  </div>`;
}

/** Where a request is made by hand. */
export function ToPlayground() {
  return html`<a class="small" href="/__mock__/#playground">${t("try-playground")}</a>`;
}
