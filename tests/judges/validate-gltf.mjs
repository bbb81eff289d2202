// Validates the glTF files named on the command line (or, with "-", one path a line on standard input)
// with the Khronos validator and prints one JSON object: path -> {errors, warnings, messages}.
import { readFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { validateBytes } from "gltf-validator";

const named = process.argv.slice(2);
const paths = named.length === 1 && named[0] === "-"
  ? readFileSync(0, "utf8").split("\n").filter(Boolean)
  : named;

const verdicts = {};
for (const path of paths) {
  const report = await validateBytes(new Uint8Array(await readFile(path)), { maxIssues: 20 });
  const { numErrors, numWarnings, messages } = report.issues;
  verdicts[path] = {
    errors: numErrors,
    warnings: numWarnings,
    messages: messages.map(({ code, message, pointer }) => `${code} ${pointer ?? ""}: ${message}`),
  };
}
console.log(JSON.stringify(verdicts));
