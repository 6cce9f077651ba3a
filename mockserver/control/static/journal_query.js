// What the journal is filtered by: it stands in the address, so that a search can be kept, shared and gone back to.

export const FILTERS = [
  "provider",
  "status",
  "model",
  "key",
  "rule",
  "text",
  "since",
  "until",
  "variant",
  "id",
  "task",
];

/** Return what is asked for behind the name of the view in the address. */
export const asked = () => Object.fromEntries(new URLSearchParams(location.hash.split("?")[1] ?? ""));

/** Return the query of a filter; "" if it is empty. */
export const queryOf = (filter) =>
  new URLSearchParams(FILTERS.filter((name) => filter[name]).map((name) => [name, filter[name]])).toString();

/** Return the address of the journal with a filter. */
export function journalWith(filter) {
  const query = queryOf(filter);
  return `/__mock__/#journal${query && `?${query}`}`;
}

/** Return the address of a request's page. */
export const requestAt = (id) => `/__mock__/#request?id=${encodeURIComponent(id)}`;

/** Return the address of the comparison of two requests. */
export const comparisonOf = (a, b) => `/__mock__/#compare?${new URLSearchParams({ a, b })}`;

/** What tells an entry from all others; the API takes it as a cursor. */
export const placeOf = (entry) => `${entry.id}/${entry.at}`;
