// The openai npm package against Nebula and aigc.it. Prints what it saw as JSON.
import OpenAI from "openai";

const [origin, dataUrl] = process.argv.slice(2);
const nebula = new OpenAI({ baseURL: `${origin}/nebula/v1`, apiKey: "sk-mock" });
const aigc = new OpenAI({ baseURL: `${origin}/aigc/v1`, apiKey: "sk-mock" });
const body = { model: "qwen-image-plus", prompt: "a cat", parameters: { size: "1328*1328" } };

const generated = await nebula.images.generate(body);
const edited = await aigc.images.generate({
  model: "qwen-image-edit",
  input: { messages: [{ role: "user", content: [{ image: dataUrl }, { text: "make it blue" }] }] },
});
const refused = async (key) => {
  try {
    await nebula.withOptions({ apiKey: key, maxRetries: 0 }).images.generate(body);
  } catch (error) {
    return [error.constructor.name, error.status];
  }
};
console.log(
  JSON.stringify({
    code: generated.code,
    link: generated.data.data[0].url,
    edited: edited.data[0].url,
    expired: await refused("sk-mock-expired"),
    broken: await refused("sk-mock-broken"),
  }),
);
