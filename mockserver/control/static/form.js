// From a variant's JSON Schema to form fields, and from what was typed to a request.
//
// What a value is for says its role in the contract; no member of a provider's request is named here.

const PROMPT_ROLES = ["prompt", "prompt_copy"];
const FIRST_ROLES = ["model", ...PROMPT_ROLES];
const TEXT_ROLES = [...PROMPT_ROLES, "negative_prompt"];

const key = (path) => path.join("/");
const place = (path) => path.join(".").replaceAll(".*", "[]");
const isUnder = (path, prefix) => prefix.every((step, at) => path[at] === step);
const pathsOf = (variant, roles) => roles.flatMap((role) => variant.roles[role] ?? []);
const roleOf = (variant, path) =>
  Object.keys(variant.roles).find((role) => variant.roles[role].some((each) => key(each) === key(path)));
const rulesOf = (variant, path) => variant.rules.filter((rule) => rule.place === place(path));

export const isPrompt = (field) => PROMPT_ROLES.includes(field.role);
export const isLongText = (field) => TEXT_ROLES.includes(field.role);

/** Yield every scalar of a schema with its path; `*` stands for the items of an array. */
function* leaves(schema, path = [], required = false) {
  if (schema.properties)
    for (const [name, member] of Object.entries(schema.properties))
      yield* leaves(member, [...path, name], (schema.required ?? []).includes(name));
  else if (schema.items) yield* leaves(schema.items, [...path, "*"], false);
  else if (schema.not === undefined) yield { path, schema, required };
}

/** Return the fields that a person fills in: the scalars outside of arrays, and the prompt once. */
export function fieldsOf(variant) {
  const all = [...leaves(variant.schema)]
    .map((leaf) => ({ ...leaf, role: roleOf(variant, leaf.path) }))
    .filter(({ role }) => role !== "image");
  const fields = all.filter(({ path, schema }) => !path.includes("*") && schema.const === undefined);
  const prompt = all.find(isPrompt);
  if (prompt && !fields.some(isPrompt)) fields.unshift({ ...prompt, required: true });
  return fields
    .map((field) => ({
      ...field,
      key: key(field.path),
      name: field.path.filter((step) => step !== "*").at(-1),
      rules: rulesOf(variant, field.path),
    }))
    .sort((a, b) => rank(a) - rank(b));
}

function rank(field) {
  const at = FIRST_ROLES.indexOf(field.role);
  return at < 0 ? FIRST_ROLES.length : at;
}

/** Return the values at a path, which may lead through arrays. */
function valuesAt(body, path) {
  let values = [body];
  for (const step of path) values = values.flatMap((value) => (step === "*" ? (value ?? []) : [value?.[step]]));
  return values.filter((value) => value !== undefined);
}

/** Return the first value at a path, which may lead through arrays; undefined for none. */
export const valueAt = (body, path) => valuesAt(body, path)[0];

/** Return what a form has for a request: texts by field, and the addresses of pictures. The opposite of `assemble`. */
export function filledWith(variant, request) {
  const values = {};
  for (const field of fieldsOf(variant)) {
    const value = valueAt(request, field.path);
    if (value !== undefined && typeof value !== "object") values[field.key] = String(value);
  }
  const found = pathsOf(variant, ["image"]).flatMap((path) => valuesAt(request, path));
  const urls = found.flat().filter((url) => typeof url === "string");
  return { values, urls, prompt: promptOf(variant, request) };
}

/** The same for a documented example: its callback would go to a server that the document made up. */
export function exampleOf(variant, request) {
  const filled = filledWith(variant, request);
  for (const path of pathsOf(variant, ["callback_url"])) delete filled.values[key(path)];
  return filled;
}

/** Return the prompt of a request; "" for none. */
export function promptOf(variant, request) {
  const values = pathsOf(variant, PROMPT_ROLES).map((path) => valueAt(request, path));
  return values.find((value) => typeof value === "string") ?? "";
}

function put(target, path, value) {
  const [step, ...rest] = path;
  const name = step === "*" ? 0 : step;
  if (rest.length === 0) {
    target[name] = value;
    return;
  }
  target[name] ??= rest[0] === "*" ? [] : {};
  put(target[name], rest, value);
}

/** Return the value that a text means for a schema; undefined for what is left out. */
function typed(schema, text) {
  if (text === undefined || text === "") return undefined;
  if (schema.type === "boolean") return text === true || text === "true";
  if (schema.type === "integer" || schema.type === "number") return Number.isFinite(Number(text)) ? Number(text) : text;
  return text;
}

/** Return the request for what was typed, with pictures as URLs. */
export function assemble(variant, values, pictures) {
  const body = {};
  for (const field of fieldsOf(variant)) {
    const value = typed(field.schema, values[field.key]);
    if (value === undefined) continue;
    if (isPrompt(field)) putPrompt(variant, body, value, pictures);
    else put(body, field.path, value);
  }
  if (pictures.length > 0) for (const path of variant.roles.image ?? []) putPictures(variant, body, path, pictures);
  putConstants(variant, body);
  return body;
}

function putPrompt(variant, body, text, pictures) {
  for (const path of pathsOf(variant, PROMPT_ROLES))
    if (path.includes("*")) putParts(variant, body, path, text, pictures);
    else put(body, path, text);
}

/** Put the parts of a message: its pictures first, its text last. */
function putParts(variant, body, path, text, pictures) {
  const at = path.lastIndexOf("*");
  const image = pathsOf(variant, ["image"]).find((each) => isUnder(each, path.slice(0, at + 1)));
  const parts = image ? pictures.map((url) => ({ [image.at(-1)]: url })) : [];
  put(body, path.slice(0, at), [...parts, { [path.at(-1)]: text }]);
}

/** Put the pictures, unless they are parts of a message that has a prompt, which puts them. */
function putPictures(variant, body, path, pictures) {
  const at = path.lastIndexOf("*");
  if (at < 0) put(body, path, pictures[0]);
  else if (at === path.length - 1) put(body, path.slice(0, -1), pictures);
  else if (!pathsOf(variant, PROMPT_ROLES).some((prompt) => isUnder(prompt, path.slice(0, at + 1)))) {
    const parts = pictures.map((url) => ({ [path.at(-1)]: url }));
    put(body, path.slice(0, at), parts);
  }
}

/** Put what has one possible value, and the objects that are required although nothing in them was typed. */
function putConstants(variant, body) {
  for (const { path, schema } of leaves(variant.schema)) {
    const at = path.lastIndexOf("*");
    const holder = at < 0 ? body : valueAt(body, path.slice(0, at + 1));
    if (schema.const !== undefined && holder) put(body, path, schema.const);
  }
  const required = variant.schema.required ?? [];
  for (const [name, member] of Object.entries(variant.schema.properties ?? {}))
    if (required.includes(name) && member.properties) body[name] ??= {};
}

const NO_RULE = { id: "", keyword: "required", value: true, source: "", certainty: "" };

/** Return the rule that says how many pictures there must be, if there are too few; null if there are enough. */
export function tooFewPictures(variant, count) {
  if (variant.images === null || count >= variant.images.min) return null;
  const holders = pathsOf(variant, ["image"]).map((path) => place(path.slice(0, path.lastIndexOf("*"))));
  const rules = variant.rules.filter((rule) => holders.includes(rule.place));
  const keywords = ["image.minItems", "minItems", "required"];
  const found = keywords.map((keyword) => rules.find((rule) => rule.keyword === keyword)).find(Boolean);
  return found ?? { ...NO_RULE, keyword: "minItems", value: variant.images.min };
}

/** Return where the limits on each picture are documented. */
export function pictureSources(variant) {
  const places = pathsOf(variant, ["image"]).map(place);
  const limits = ["mediaTypes", "maxBytes", "minWidth", "maxWidth", "minHeight", "maxHeight"];
  const rules = variant.rules.filter((rule) => places.includes(rule.place) && limits.includes(rule.keyword));
  return [...new Set(rules.map((rule) => rule.source))];
}

/** Return the rule that a field's text breaks, or null. */
export function problem(field, text) {
  const value = typed(field.schema, text);
  if (value === undefined) {
    if (!field.required) return null;
    return field.rules.find((rule) => rule.keyword === "required") ?? NO_RULE;
  }
  const separator = field.rules.find((rule) => rule.keyword === "syntax")?.value[1] ?? "*";
  const sides = String(value).split(separator).map(Number);
  const isBroken = {
    type: () =>
      (field.schema.type === "integer" && !Number.isInteger(value)) ||
      (field.schema.type === "number" && typeof value !== "number"),
    enum: (limit) => !limit.includes(value),
    minimum: (limit) => value < limit,
    maximum: (limit) => value > limit,
    minLength: (limit) => [...value].length < limit,
    maxLength: (limit) => [...value].length > limit,
    pattern: (limit) => !new RegExp(limit, "u").test(value),
    syntax: () => !/^[1-9]\d*[*x][1-9]\d*$/.test(value) || sides.length !== 2,
    minSide: (limit) => Math.min(...sides) < limit,
    maxSide: (limit) => Math.max(...sides) > limit,
    minArea: (limit) => sides[0] * sides[1] < limit,
    maxArea: (limit) => sides[0] * sides[1] > limit,
    maxRatio: (limit) => Math.max(...sides) > limit * Math.min(...sides),
  };
  return field.rules.find((rule) => isBroken[rule.keyword]?.(rule.value)) ?? null;
}
