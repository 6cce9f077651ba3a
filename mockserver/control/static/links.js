// Links from what a request has left to the request itself.
import { html } from "./lib.js";

/** A link to the page of a request. */
export function ToRequest({ id, children }) {
  return html`<a href=${`/__mock__/#request?id=${encodeURIComponent(id)}`}>${children}</a>`;
}
