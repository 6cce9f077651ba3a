// Where a rule was read: the document and its section, or the addresses of a public page.
import { api, html, t, useState } from "./lib.js";

const PUBLISHED = "published: ";

let asked = null;

/** Return what sources name, asked for once. */
function sources() {
  asked ??= api("GET", "sources");
  return asked;
}

/** A source that opens: the section, the document and its file, or links to the pages. */
export function Source({ text }) {
  const [known, setKnown] = useState(null);
  const open = (event) => event.target.open && sources().then(setKnown, () => setKnown({ documents: [], pages: [] }));
  return html`<details class="opens" onToggle=${open}>
    <summary>${text}</summary>
    ${known && html`<${Found} text=${text} known=${known} />`}
  </details>`;
}

function Found({ text, known }) {
  const document = known.documents.find(({ name }) => text.startsWith(`${name}, `));
  if (document) {
    const section = text.slice(document.name.length + 2);
    return html`<p>${t("source-section", { section, title: document.title })} <code>${document.file}</code></p>`;
  }
  const page = text.startsWith(PUBLISHED) && known.pages.find(({ name }) => name === text.slice(PUBLISHED.length));
  if (!page) return html`<p>${t("source-unknown")}</p>`;
  return html`<p>${t("source-read", { day: page.read })}</p>
    <ul>${page.addresses.map((url) => html`<li><a href=${url} target="_blank" rel="noreferrer">${url}</a></li>`)}</ul>`;
}
