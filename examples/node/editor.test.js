// qwenmock run -- node --test
import assert from "node:assert/strict";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, test } from "node:test";
import { edit } from "./editor.js";

const control = (method, path, body) =>
  fetch(`${process.env.QWENMOCK_URL}/__mock__/${path}`, {
    method,
    body: method === "GET" ? undefined : JSON.stringify(body ?? {}),
  }).then((answer) => answer.json());
const picture = new URL("../../fixtures/images/landscape.png", import.meta.url);

beforeEach(() => control("POST", "reset"));

test("edits and stores", async () => {
  const target = join(await mkdtemp(join(tmpdir(), "edited-")), "edited.png");
  await edit(picture, "Make it night", target);
  assert.equal((await readFile(target)).subarray(1, 4).toString(), "PNG");
  const { charges } = await control("GET", "ledger");
  assert.equal(charges[0].amount, "0.18");
});

test("waits when there were too many requests", async () => {
  await control("PUT", "faults", [{ status: 429, times: 1 }]);
  const target = join(await mkdtemp(join(tmpdir(), "edited-")), "edited.png");
  await edit(picture, "Make it night", target);
  assert.equal((await control("GET", "journal")).length, 2);
  assert.equal((await control("GET", "verdict")).ok, true);
});
