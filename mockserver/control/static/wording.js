// The names of fields and the limits on them, as a person reads them.
import { t } from "./lib.js";

const TEXT_OF_KEYWORD = new Set([
  "minimum",
  "maximum",
  "minLength",
  "maxLength",
  "x-truncate",
  "minSide",
  "maxSide",
  "minArea",
  "maxArea",
  "maxRatio",
  "syntax",
  "pattern",
  "urlPattern",
  "publicHost",
  "mediaTypes",
  "encoding",
  "integrity",
  "minWidth",
  "minHeight",
  "required",
  "enum",
]);

/** Return what a field is called: as its schema says, else what it is for, else the name of the member. */
export function labelOf(field) {
  if (field.schema.title) return field.schema.title;
  if (field.role) return t(`role-${field.role}`);
  const words = field.name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Return where the value stands in the request: `input.messages[].content[].text`. */
export const pathOf = (field) => field.path.join(".").replaceAll(".*", "[]");

/** Return what a rule demands in words: `at most 6`. */
export function demand(rule) {
  const { keyword, value } = rule;
  if (keyword === "type") return t(`type-${value}`);
  if (keyword === "schemes") return t("limit-schemes", { value: value.map((name) => `${name}:`).join(", ") });
  if (keyword.endsWith("minItems")) return t("limit-minItems", { value });
  if (keyword.endsWith("maxItems")) return t("limit-maxItems", { value });
  if (TEXT_OF_KEYWORD.has(keyword)) return t(`limit-${keyword}`, { value: [value].flat().join(", ") });
  return `${keyword}: ${value}`;
}

const SELF_EVIDENT = ["type", "required", "const", "enum"];

/** Return the limits on a field in words, and the documents that state them. */
export function limits(field) {
  const stated = field.rules.filter((rule) => !SELF_EVIDENT.includes(rule.keyword));
  const shown = stated.length > 0 ? stated : field.rules.filter((rule) => rule.keyword === "enum");
  return {
    text: shown.map(demand).join(" · "),
    sources: [...new Set(shown.map((rule) => rule.source))],
  };
}

/** Return what is wrong with a value: `expected at most 6, got 7`; without a text only what is expected. */
export function complaint(rule, text) {
  const expected = demand(rule);
  if (rule.keyword === "required") return expected;
  if (text === undefined) return t("expected", { expected });
  return t("expected-got", { expected, got: rule.keyword === "maxLength" ? lengthOf(text) : beginningOf(text) });
}

/** Return the length of a text as JSON Schema counts it: a character beyond the first 65536 is one. */
const lengthOf = (text) => [...text].length;

const beginningOf = (text) => (text.length > 40 ? `${text.slice(0, 40)}…` : text);
