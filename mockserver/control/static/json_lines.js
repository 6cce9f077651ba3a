// JSON as lines with their places: for a body with a mark in it, and for the difference of two bodies.

const INDENT = "  ";

/**
 * Return the lines of a value, as JSON.stringify would break them. Each has the path of what stands in it.
 * `end` is what follows the value: a comma, or nothing.
 */
export function linesOf(value, path = [], name = undefined, end = "") {
  const lead = INDENT.repeat(path.length) + (name === undefined ? "" : `${JSON.stringify(name)}: `);
  const line = (text) => ({ path, text });
  if (value === null || typeof value !== "object") return [line(`${lead}${JSON.stringify(value) ?? "null"}${end}`)];
  const isArray = Array.isArray(value);
  const [open, close] = isArray ? "[]" : "{}";
  const members = Object.entries(value);
  if (members.length === 0) return [line(`${lead}${open}${close}${end}`)];
  const last = members.length - 1;
  return [
    line(lead + open),
    ...members.flatMap(([key, member], at) =>
      linesOf(member, [...path, isArray ? at : key], isArray ? undefined : key, at < last ? "," : ""),
    ),
    line(INDENT.repeat(path.length) + close + end),
  ];
}

const isUnder = (path, prefix) => prefix.every((step, at) => path[at] === step);

/** Return the value at a path; undefined for none. */
export const at = (value, path) => path.reduce((found, step) => found?.[step], value);

/** Return the lines of a value with those of one place marked, and one added for a member that is missing there. */
export function markedLines(value, place) {
  const lines = linesOf(value);
  if (place === null) return lines;
  if (at(value, place) !== undefined) return lines.map((line) => ({ ...line, isMarked: isUnder(line.path, place) }));
  const parent = place.slice(0, -1);
  const first = lines.findIndex((line) => line.path.length === parent.length && isUnder(line.path, parent));
  if (first < 0) return lines;
  const text = `${INDENT.repeat(place.length)}${JSON.stringify(place.at(-1))}`;
  return lines.toSpliced(first + 1, 0, { path: place, text, isMarked: true, isMissing: true });
}

/**
 * Return the place in a request that its refusal is about, null if it is about the whole or not in the body.
 * A message begins with the place: `list[0].image must be …`. Otherwise the id of the rule has it.
 */
export function refusedPlace(entry) {
  if (entry.refusal === null || entry.request === null || typeof entry.request !== "object") return null;
  const written = /^[\w-]+(?:\[\d+\]|\.[\w-]+)*(?= )/.exec(entry.refusal.detail)?.[0] ?? "";
  const named = [...written.matchAll(/\[(\d+)\]|([\w-]+)/g)].map(([, item, name]) => (item ? Number(item) : name));
  if (named.length > 0 && isThere(entry.request, named)) return named;
  const [, group, ...steps] = entry.rule?.id.split("/") ?? [];
  if (!group || group === "http") return null;
  const place = steps.slice(0, -1).map((step) => (step === "*" ? 0 : step));
  return place.length > 0 && isThere(entry.request, place) ? place : null;
}

/** Whether a place is in a value, or its last member is missing from an object that is. */
function isThere(value, place) {
  if (at(value, place) !== undefined) return true;
  const holder = at(value, place.slice(0, -1));
  return holder !== null && typeof holder === "object" && !Array.isArray(holder);
}
