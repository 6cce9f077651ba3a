// What not to do: tries everything again at once, whatever failed. `qwenmock run --scenarios` shows what that costs.
import { readFile, writeFile } from "node:fs/promises";

const TRIES = 4;

async function edit(picture, instruction, target) {
  const image = `data:image/png;base64,${(await readFile(picture)).toString("base64")}`;
  const answer = await fetch("https://llm.ai-nebula.com/v1/images/generations", {
    method: "POST",
    headers: { Authorization: "Bearer sk-of-mine", "Content-Type": "application/json" },
    body: JSON.stringify({
      model: "qwen-image-edit-plus",
      prompt: instruction,
      contents: [{ role: "user", parts: [{ image }, { text: instruction }] }],
      parameters: { n: 1 },
    }),
  });
  const content = await answer.json(); // an answer that cannot be read was charged all the same
  const result = await fetch(content.data.data[0].url); // and so was a picture that cannot be opened
  if (!result.ok) throw new Error(`the picture cannot be opened: ${result.status}`);
  await writeFile(target, Buffer.from(await result.arrayBuffer()));
}

const sample = new URL("../../fixtures/images/landscape.png", import.meta.url);
for (let turn = 1; ; turn++) {
  try {
    await edit(sample, "Make it night", process.argv[2] ?? "edited.png");
    break;
  } catch (error) {
    // Retry-After is not read, and a charged request is sent once more.
    if (turn === TRIES) throw error;
  }
}
