/**
 * Runs ONNX's own backend node cases: `npm run conformance -- DIR [--only TEXT] [--write]`, where DIR is the folder
 * onnx/backend/test/data/node of the Python package onnx. `--write` makes docs/conformance.md of what was found.
 */
import { readdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { operatorOf, readCase } from "./case.mjs";
import { checkGradients, checkRoundTrip, checkValues } from "./checks.mjs";
import { page } from "./page.mjs";
import { firstLine } from "./run-model.mjs";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: "string" }, write: { type: "boolean" }, verbose: { type: "boolean" } },
});
const [folder] = positionals;
if (!folder) {
  console.error("Usage: npm run conformance -- DIR [--only TEXT] [--verbose] [--write]");
  process.exit(2);
}
const names = readdirSync(folder).filter((name) => name.startsWith("test_") && name.includes(flags.only ?? ""));
const results = [];
for (const [i, name] of names.entries()) {
  results.push(await runCase(name));
  if (process.stderr.isTTY) process.stderr.write(`\r${i + 1} of ${names.length}`);
}
for (const result of results) {
  for (const check of ["roundTrip", "values", "gradient"]) {
    const { status, reason } = result[check];
    if (status === "failed" || (flags.verbose && reason)) console.log(`${status}\t${check}\t${result.name}\t${result.operator}\t${reason}`);
  }
}
const count = (check, status) => results.filter((result) => result[check].status === status).length;
for (const check of ["roundTrip", "values", "gradient"]) {
  const counts = ["passed", "none", "refused", "failed"].map((status) => `${count(check, status)} ${status}`);
  console.log(`${check}: ${counts.join(", ")} of ${results.length}`);
}
if (flags.write) writeFileSync(new URL("../../docs/conformance.md", import.meta.url), page(results));
process.exitCode = results.some((r) => [r.roundTrip, r.values, r.gradient].some((c) => c.status === "failed")) ? 1 : 0;

async function runCase(name) {
  const operator = operatorOf(folder, name);
  try {
    const read = readCase(folder, name);
    return {
      name,
      operator,
      opset: read.opset,
      roundTrip: await checkRoundTrip(read),
      values: await checkValues(read),
      gradient: await checkGradients(read),
    };
  } catch (error) {
    const status = { status: error.code ? "refused" : "failed", reason: firstLine(error) };
    return { name, operator, opset: 0, roundTrip: status, values: status, gradient: status };
  }
}
