// Edits a picture with Nebula, and stores the result.
import { readFile, writeFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";

const BASE_URL = process.env.NEBULA_URL ?? "https://llm.ai-nebula.com";
const TRIES = 4;

export async function edit(picture, instruction, target) {
  const image = `data:image/png;base64,${(await readFile(picture)).toString("base64")}`;
  const body = {
    model: "qwen-image-edit-plus",
    prompt: instruction,
    contents: [{ role: "user", parts: [{ image }, { text: instruction }] }],
    parameters: { n: 1 },
  };
  const headers = { Authorization: `Bearer ${process.env.NEBULA_KEY}`, "Content-Type": "application/json" };
  let answer;
  for (let turn = 0; turn < TRIES; turn++) {
    answer = await fetch(`${BASE_URL}/v1/images/generations`, { method: "POST", headers, body: JSON.stringify(body) });
    if (![429, 500].includes(answer.status)) break;
    await pause(1000 * Number(answer.headers.get("Retry-After") ?? 2 ** turn / 4));
  }
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.msg);
  const result = await fetch(content.data.data[0].url);
  await writeFile(target, Buffer.from(await result.arrayBuffer()));
  return target;
}
