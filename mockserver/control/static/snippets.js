// A request as a program would send it, with curl, httpx or the client library that speaks the endpoint.

const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** Write a JSON value as Python. */
function python(value, indent = 0) {
  const pad = "    ".repeat(indent + 1);
  const end = "    ".repeat(indent);
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value))
    return value.length ? `[\n${value.map((item) => pad + python(item, indent + 1)).join(",\n")},\n${end}]` : "[]";
  if (typeof value === "object") {
    const members = Object.entries(value).map(
      ([name, member]) => `${pad}${JSON.stringify(name)}: ${python(member, indent + 1)}`,
    );
    return members.length ? `{\n${members.join(",\n")},\n${end}}` : "{}";
  }
  return JSON.stringify(value);
}

const variable = (slug) => `QWENMOCK_${slug.toUpperCase().replaceAll("-", "_")}_KEY`;
const environment = (slug) => `os.environ["${variable(slug)}"]`;
const keywords = (members) =>
  Object.entries(members)
    .map(([name, value]) => `    ${name}=${python(value, 1)},\n`)
    .join("");

/** Return a call to an endpoint of the contract, or to that of a variant. */
export function callOf(slug, endpoint, request) {
  return {
    provider: slug,
    origin: location.origin,
    method: endpoint.method,
    path: `/${slug}${endpoint.path}`,
    headers: endpoint.required_header ? [endpoint.required_header] : [],
    sdk: endpoint.sdk,
    request,
  };
}

/** Return the option with a body: `-d` would send the file whose name follows an "@". */
const data = (text) => `${text.startsWith("@") ? "--data-raw" : "-d"} ${quote(text)}`;

/** Return a command; its key is the call's own, or that of an environment variable. */
export function curl(call) {
  const lines = [
    `curl -sS -X ${call.method} ${quote(call.origin + call.path)}`,
    call.key ? `-H 'Authorization: Bearer ${call.key}'` : `-H "Authorization: Bearer $${variable(call.provider)}"`,
  ];
  for (const [name, value] of call.headers) lines.push(`-H ${quote(`${name}: ${value}`)}`);
  if (call.request !== null && call.request !== undefined)
    lines.push("-H 'Content-Type: application/json'", data(call.noJson ?? call.text ?? JSON.stringify(call.request)));
  return lines.join(" \\\n  ");
}

export function httpx(call) {
  const key = `"Authorization": f"Bearer {os.environ['${variable(call.provider)}']}"`;
  const isText = call.noJson !== undefined;
  const type = isText ? [["Content-Type", "application/json"]] : [];
  const others = [...type, ...call.headers].map(([name, value]) => `"${name}": ${JSON.stringify(value)}`);
  const sent = isText ? `content=${python(call.noJson)}.encode()` : `json=${python(call.request, 1)}`;
  const body = call.request || isText ? `    ${sent},\n` : "";
  return `import os

import httpx

answer = httpx.request(
    "${call.method}",
    "${call.origin}${call.path}",
    headers={${[key, ...others].join(", ")}},
${body}    timeout=60,
)
answer.raise_for_status()
print(answer.json())
`;
}

// The libraries below put together path and body themselves: what they call the parts is theirs, not a provider's.

function openai(call) {
  const base = (call.origin + call.path).replace(/\/images\/generations$/, "");
  const { model, prompt, n, size, ...rest } = call.request ?? {};
  const known = Object.entries({ model, prompt: prompt ?? "", n, size }).filter(([, value]) => value !== undefined);
  const extra = Object.keys(rest).length ? `    extra_body=${python(rest, 1)},\n` : "";
  return `import os

from openai import OpenAI

client = OpenAI(base_url="${base}", api_key=${environment(call.provider)})
result = client.images.generate(
${keywords(Object.fromEntries(known))}${extra})
print(result)
`;
}

function dashscope(call) {
  const root = (call.origin + call.path).replace(/\/services\/.*$/, "");
  const { model, input = {}, parameters = {} } = call.request ?? {};
  const method = input.messages ? "MultiModalConversation" : "ImageSynthesis";
  return `import os

import dashscope

dashscope.base_http_api_url = "${root}"
answer = dashscope.${method}.call(
    api_key=${environment(call.provider)},
    model=${python(model ?? "")},
${keywords(input)}${keywords(parameters)})
print(answer)
`;
}

const SDKS = { openai, dashscope };

/** Return the programs that make sense for a call, by name. */
export function snippets(call) {
  const found = { curl: curl(call), httpx: httpx(call) };
  const sdk = SDKS[call.sdk];
  // No library sends what is no JSON.
  if (sdk && call.method === "POST" && call.noJson === undefined) found[call.sdk] = sdk(call);
  return found;
}
