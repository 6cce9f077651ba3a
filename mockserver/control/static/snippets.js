// A journaled request as a program would send it.

const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
const python = (value, indent = 0) => {
  const pad = "    ".repeat(indent + 1);
  const end = "    ".repeat(indent);
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value))
    return value.length ? `[\n${value.map((item) => pad + python(item, indent + 1)).join(",\n")},\n${end}]` : "[]";
  if (typeof value === "object") {
    const members = Object.entries(value).map(([name, member]) => `${pad}${JSON.stringify(name)}: ${python(member, indent + 1)}`);
    return members.length ? `{\n${members.join(",\n")},\n${end}}` : "{}";
  }
  return JSON.stringify(value);
};

const variable = (slug) => `QWENMOCK_${slug.toUpperCase().replaceAll("-", "_")}_KEY`;

export function curl(call) {
  const lines = [`curl -sS -X ${call.method} ${quote(call.origin + call.path)}`, `-H "Authorization: Bearer $${variable(call.provider)}"`];
  for (const [name, value] of call.headers ?? []) lines.push(`-H ${quote(`${name}: ${value}`)}`);
  if (call.request !== null && call.request !== undefined)
    lines.push("-H 'Content-Type: application/json'", `-d ${quote(JSON.stringify(call.request))}`);
  return lines.join(" \\\n  ");
}

export function httpx(call) {
  const headers = [["Authorization", null], ...(call.headers ?? [])]
    .map(([name, value]) => `"${name}": ${value === null ? `f"Bearer {os.environ['${variable(call.provider)}']}"` : JSON.stringify(value)}`)
    .join(", ");
  const body = call.request ? `,\n    json=${python(call.request, 1)}` : "";
  return `import os\n\nimport httpx\n\nanswer = httpx.request(\n    "${call.method}",\n    "${call.origin}${call.path}",\n    headers={${headers}}${body},\n    timeout=60,\n)\nanswer.raise_for_status()\nprint(answer.json())\n`;
}

export function openai(call) {
  const base = (call.origin + call.path).replace(/\/images\/generations$/, "");
  const { model, prompt, n, size, ...rest } = call.request ?? {};
  const own = Object.entries({ model, prompt: prompt ?? "", n, size }).filter(([, value]) => value !== undefined);
  const extra = Object.keys(rest).length ? `    extra_body=${python(rest, 1)},\n` : "";
  return `import os\n\nfrom openai import OpenAI\n\nclient = OpenAI(base_url="${base}", api_key=os.environ["${variable(call.provider)}"])\nresult = client.images.generate(\n${own.map(([name, value]) => `    ${name}=${python(value, 1)},\n`).join("")}${extra})\nprint(result)\n`;
}

export function dashscope(call) {
  const root = (call.origin + call.path).replace(/\/services\/.*$/, "");
  const { model, input = {}, parameters = {} } = call.request ?? {};
  const named = Object.entries(parameters).map(([name, value]) => `    ${name}=${python(value, 1)},\n`).join("");
  const begin = `import os\n\nimport dashscope\n\ndashscope.base_http_api_url = "${root}"\n`;
  const key = `    api_key=os.environ["${variable(call.provider)}"],\n    model=${python(model ?? "")},\n`;
  if (input.messages)
    return `${begin}answer = dashscope.MultiModalConversation.call(\n${key}    messages=${python(input.messages, 1)},\n${named})\nprint(answer)\n`;
  const given = Object.entries(input).map(([name, value]) => `    ${name}=${python(value, 1)},\n`).join("");
  return `${begin}answer = dashscope.ImageSynthesis.call(\n${key}${given}${named})\nprint(answer)\n`;
}

/** Return the forms that make sense for a call, by name. */
export function snippets(call) {
  const found = { curl: curl(call), httpx: httpx(call) };
  if (call.method === "POST" && call.path.endsWith("/images/generations")) found.openai = openai(call);
  if (call.method === "POST" && call.path.includes("/services/aigc/")) found.dashscope = dashscope(call);
  return found;
}
