// From a variant's JSON Schema to fields, and from what was typed to a request.

const key = (path) => path.join("/");
const isUnder = (path, prefix) => prefix.every((step, at) => path[at] === step);

/** Yield every scalar of a schema with its path; `*` stands for the items of an array. */
function* leaves(schema, path = [], required = false) {
  if (schema.properties)
    for (const [name, member] of Object.entries(schema.properties)) yield* leaves(member, [...path, name], (schema.required ?? []).includes(name));
  else if (schema.items) yield* leaves(schema.items, [...path, "*"], false);
  else yield { path, schema, required };
}

/** Return the fields that a person fills in: the scalars outside of arrays, the prompt once, pictures apart. */
export function fieldsOf(variant) {
  const images = variant.roles.image ?? [];
  const prompts = variant.roles.prompt ?? [];
  const all = [...leaves(variant.schema)].filter(({ path }) => !images.some((image) => key(image) === key(path)));
  const fields = all.filter(({ path, schema }) => !path.includes("*") && schema.const === undefined);
  if (!fields.some(({ path }) => roleOf(variant, path) === "prompt")) {
    const leaf = all.find(({ path }) => prompts.some((prompt) => key(prompt) === key(path)));
    if (leaf) fields.unshift({ ...leaf, required: true });
  }
  const order = ["model", "prompt"];
  return fields
    .map((field) => ({ ...field, key: key(field.path), name: field.path.filter((step) => step !== "*").at(-1), role: roleOf(variant, field.path), rules: rulesOf(variant, field.path) }))
    .sort((a, b) => (order.indexOf(a.name) + 99) % 99 - (order.indexOf(b.name) + 99) % 99);
}

/** Return what a place is for. A plain `prompt` beside the one in a message is the same text once more. */
const roleOf = (variant, path) =>
  Object.keys(variant.roles).find((role) => variant.roles[role].some((each) => key(each) === key(path))) ?? (key(path) === "prompt" ? "prompt" : undefined);
const place = (path) => path.join(".").replaceAll(".*", "[]");
export const rulesOf = (variant, path) => variant.rules.filter((rule) => rule.place === place(path));

/** Return the limits on a field in words, from its rules. */
export function limits(field) {
  return field.rules.filter((rule) => !["type", "required", "const", "enum"].includes(rule.keyword))
    .map((rule) => `${rule.keyword.replace("x-", "")} ${Array.isArray(rule.value) ? rule.value.join(", ") : rule.value}`);
}

function put(target, path, value) {
  const [step, ...rest] = path;
  const name = step === "*" ? 0 : step;
  if (rest.length === 0) target[name] = value;
  else put((target[name] ??= rest[0] === "*" ? [] : {}), rest, value);
}

/** Return the value that a text means for a schema; undefined for what is left out. */
function typed(schema, text) {
  if (text === undefined || text === "") return undefined;
  if (schema.type === "boolean") return text === true || text === "true";
  if (schema.type === "integer" || schema.type === "number") return Number.isFinite(Number(text)) ? Number(text) : text;
  return text;
}

/** Return the request for what was typed, with pictures as addresses. */
export function assemble(variant, values, pictures) {
  const body = {};
  for (const field of fieldsOf(variant)) {
    const value = typed(field.schema, values[field.key]);
    if (value === undefined) continue;
    const paths = field.role === "prompt" ? [field.path, ...variant.roles.prompt] : [field.path];
    for (const path of paths) if (!path.includes("*")) put(body, path, value);
    if (field.role === "prompt") for (const path of paths.filter((each) => each.includes("*"))) putParts(variant, body, path, value, pictures);
  }
  for (const path of variant.roles.image ?? []) {
    const at = path.lastIndexOf("*");
    if (pictures.length === 0) continue;
    if (at < 0) put(body, path, pictures[0]);
    else if (at === path.length - 1) put(body, path.slice(0, -1), pictures);
    else if (!(variant.roles.prompt ?? []).some((prompt) => isUnder(prompt, path.slice(0, at + 1)))) put(body, path.slice(0, at), pictures.map((url) => ({ [path.at(-1)]: url })));
  }
  for (const { path, schema } of leaves(variant.schema)) {
    const at = path.lastIndexOf("*");
    const holder = at < 0 ? body : path.slice(0, at).reduce((value, step) => value?.[step === "*" ? 0 : step], body);
    if (schema.const !== undefined && holder) put(body, path, schema.const);
  }
  // What must be there although nothing in it was typed.
  for (const [name, member] of Object.entries(variant.schema.properties ?? {}))
    if ((variant.schema.required ?? []).includes(name) && member.properties && body[name] === undefined) body[name] = {};
  return body;
}

/** Put the parts of a message: its pictures first, its text last. */
function putParts(variant, body, path, text, pictures) {
  const at = path.lastIndexOf("*");
  const image = (variant.roles.image ?? []).find((each) => isUnder(each, path.slice(0, at + 1)));
  const parts = image ? pictures.map((url) => ({ [image.at(-1)]: url })) : [];
  put(body, path.slice(0, at), [...parts, { [path.at(-1)]: text }]);
}

/** Return what is wrong with a field's text: the rule that it breaks, or null. */
export function problem(field, text) {
  const value = typed(field.schema, text);
  if (value === undefined) return field.required ? "required" : null;
  const broken = {
    type: () => (field.schema.type === "integer" && !Number.isInteger(value)) || (field.schema.type === "number" && typeof value !== "number"),
    enum: (limit) => !limit.includes(value),
    minimum: (limit) => value < limit,
    maximum: (limit) => value > limit,
    minLength: (limit) => [...value].length < limit,
    maxLength: (limit) => [...value].length > limit,
    pattern: (limit) => !new RegExp(limit, "u").test(value),
    syntax: () => !/^[1-9]\d*\*[1-9]\d*$/.test(value),
    minSide: (limit) => Math.min(...String(value).split("*").map(Number)) < limit,
    maxSide: (limit) => Math.max(...String(value).split("*").map(Number)) > limit,
  };
  return field.rules.find((rule) => broken[rule.keyword]?.(rule.value)) ?? null;
}

/** Return how many pictures a variant takes. */
export function pictureCounts(variant) {
  const paths = variant.roles.image ?? [];
  const found = { least: paths.length ? 1 : 0, most: paths.length ? (paths.some((path) => path.includes("*")) ? 3 : 1) : 0 };
  for (const rule of variant.rules) {
    const isOfImages = rule.keyword.startsWith("image.") || paths.some((path) => path.at(-1) === "*" && rule.place === place(path.slice(0, -1)));
    if (isOfImages && rule.keyword.endsWith("minItems")) found.least = rule.value;
    if (isOfImages && rule.keyword.endsWith("maxItems")) found.most = rule.value;
  }
  return found;
}
