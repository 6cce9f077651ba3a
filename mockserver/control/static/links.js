// Links from what a request has left to the request itself.
import { requestAt } from "./journal_query.js";
import { html, t } from "./lib.js";

/** A link to the page of a request. */
export function ToRequest({ id, children }) {
  return html`<a href=${requestAt(id)} title=${t("to-request")}>${children}</a>`;
}
