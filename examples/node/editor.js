// Edits a picture with Nebula, and stores the result: qwenmock run -- node editor.js [picture] [instruction] [target]
import { readFile, writeFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const BASE_URL = "https://llm.ai-nebula.com";
const TRIES = 4;
const SAMPLE = fileURLToPath(new URL("../../fixtures/images/landscape.png", import.meta.url));

export async function edit(picture, instruction, target) {
  const image = `data:image/png;base64,${(await readFile(picture)).toString("base64")}`;
  const body = {
    model: "qwen-image-edit-plus",
    prompt: instruction,
    contents: [{ role: "user", parts: [{ image }, { text: instruction }] }],
    parameters: { n: 1 },
  };
  const headers = {
    Authorization: `Bearer ${process.env.NEBULA_KEY ?? "sk-of-mine"}`,
    "Content-Type": "application/json",
  };
  let answer;
  for (let turn = 0; turn < TRIES; turn++) {
    answer = await fetch(`${BASE_URL}/v1/images/generations`, { method: "POST", headers, body: JSON.stringify(body) });
    if (![429, 500].includes(answer.status)) break;
    await pause(1000 * Number(answer.headers.get("Retry-After") ?? 2 ** turn / 4));
  }
  // From here on the request may have been charged: what fails now is not sent again.
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.msg);
  const result = await fetch(content.data.data[0].url);
  if (!result.ok) throw new Error(`the picture cannot be opened: ${result.status}`);
  await writeFile(target, Buffer.from(await result.arrayBuffer()));
  return target;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [picture = SAMPLE, instruction = "Make it night", target = "edited.png"] = process.argv.slice(2);
  try {
    console.log(`stored ${await edit(picture, instruction, target)}`);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
