// What a form can be filled with: the documented examples, nothing, or what leads to each documented error.
import { exampleOf, fieldsOf, isPrompt } from "./form.js";

const NO_IMAGE = "data:image/png;base64,AAAA";
const ONE_PIXEL =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4//8/AAX+Av4zEpUUAAAAAElFTkSuQmCC";
const NO_SUCH = "no-such-value";

/** Return the presets of a variant: a name, what kind it is, and how it changes what the form has. */
export function presetsOf(contract, variant) {
  const examples = variant.examples.map((example, at) => ({
    name: `example-${at}`,
    kind: "example",
    source: example.source,
    start: () => exampleOf(variant, example.request),
  }));
  // Without an example of its own a variant begins with what another one of the provider has.
  const first = examples[0] ?? { name: "borrowed", kind: "borrowed", start: () => borrowed(contract, variant) };
  const errors = contract.errors.flatMap((error) => {
    const change = wayTo(error, contract, variant);
    return change
      ? [
          {
            name: `error-${error.name}`,
            kind: "error",
            error,
            start: () => ({ ...first.start(), ...change(first.start()) }),
          },
        ]
      : [];
  });
  const empty = { name: "empty", kind: "empty", start: () => ({ values: {}, urls: [] }) };
  return [first, ...examples.slice(1), empty, ...errors];
}

function borrowed(contract, variant) {
  const wanted = variant.images?.min ?? 0;
  const others = contract.variants.flatMap((other) =>
    other.examples.map((example) => exampleOf(other, example.request)),
  );
  const prompts = others.map((other) => other.prompt).filter(Boolean);
  const schemes = variant.images?.terms.schemes ?? [];
  const usable = others.flatMap((other) => other.urls).filter((url) => schemes.includes(url.split(":")[0]));
  const values = {};
  for (const field of fieldsOf(variant)) if (isPrompt(field) && prompts[0]) values[field.key] = prompts[0];
  return { values, urls: usable.slice(0, wanted) };
}

/** Return how to get an error: a function from what the form has to what is changed in it; null for no way. */
function wayTo(error, contract, variant) {
  const prompt = fieldsOf(variant).find(isPrompt);
  if (error.directive && prompt)
    return ({ values }) => ({
      values: { ...values, [prompt.key]: `${values[prompt.key] ?? ""} [[qwenmock: ${error.directive}]]`.trim() },
    });
  if (error.key) return () => ({ apiKey: error.key });
  const rules = variant.rules.filter((rule) => rule.error === error.name);
  const found = rules.map((rule) => breaking(rule, variant)).find(Boolean);
  if (found) return found;
  const isSyntax = contract.http.some((rule) => rule.id.endsWith("/body/syntax") && rule.error === error.name);
  if (isSyntax) return () => ({ edit: { kind: "cut" } });
  return null;
}

const WRONG_TEXTS = {
  enum: () => NO_SUCH,
  maximum: (limit) => String(limit + 1),
  minimum: (limit) => String(limit - 1),
  maxLength: (limit) => "x".repeat(limit + 1),
  syntax: () => NO_SUCH,
};

const WRONG_PICTURES = {
  encoding: [NO_IMAGE],
  integrity: [NO_IMAGE],
  mediaTypes: ["data:image/svg+xml;base64,PHN2Zy8+"],
  minWidth: [ONE_PIXEL],
  minHeight: [ONE_PIXEL],
};

/** Return how a form is changed so that it breaks a rule; null where a form cannot. */
function breaking(rule, variant) {
  const field = fieldsOf(variant).find((each) => each.rules.some(({ id }) => id === rule.id));
  const text = field && WRONG_TEXTS[rule.keyword]?.(rule.value);
  if (text) return ({ values }) => ({ values: { ...values, [field.key]: text } });
  if (field && rule.keyword === "required") return ({ values }) => ({ values: { ...values, [field.key]: "" } });
  if (variant.images && rule.keyword === "schemes") return () => ({ urls: ["ftp://example.com/picture.png"], rule });
  const isRefused =
    variant.images?.terms.schemes.includes("data") && !variant.images.terms.advisory?.includes(rule.keyword);
  const wrong = isRefused && WRONG_PICTURES[rule.keyword];
  if (wrong) return () => ({ urls: wrong, rule });
  if (rule.keyword.endsWith("image.minItems")) return () => ({ urls: [] });
  if (rule.keyword.endsWith("image.maxItems"))
    return ({ urls }) => ({ urls: Array(rule.value + 1).fill(urls[0] ?? ONE_PIXEL), rule });
  return edit(rule);
}

/** Return how the request itself is changed where no field and no picture is concerned: a member is left out,
 * emptied or doubled. */
function edit(rule) {
  const path = rule.place.replaceAll("[]", ".0").split(".");
  if (rule.keyword === "required") return () => ({ edit: { path, kind: "remove" } });
  if (rule.keyword === "maxItems") return () => ({ edit: { path, kind: "double" } });
  if (rule.keyword === "minItems") return () => ({ edit: { path, kind: "empty" } });
  return null;
}

/** Return a request with an edit made; without one as it is. */
export function edited(request, change) {
  if (!change?.path) return request;
  const copy = structuredClone(request);
  const name = change.path.at(-1);
  const holder = change.path.slice(0, -1).reduce((value, step) => value?.[step], copy);
  if (holder?.[name] === undefined) return copy;
  if (change.kind === "remove") delete holder[name];
  else holder[name] = change.kind === "empty" ? [] : [...holder[name], ...holder[name]];
  return copy;
}

/** Return the text that is sent for a request. */
export function textOf(request, change) {
  const text = JSON.stringify(request);
  return change?.kind === "cut" ? text.slice(0, -1) : text;
}
