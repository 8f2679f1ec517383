/**
 * Runs ONNX's own backend node cases: `npm run conformance -- DIR [--only TEXT] [--verbose] [--write VERSION]`, where DIR
 * is the folder onnx/backend/test/data/node of the Python package onnx. `--write` makes docs/conformance.md of what was
 * found in the cases of this version. Ends with 1 when a case fails, or is refused without a stated reason.
 */
import { fork } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { page } from "./page.mjs";
import { reasonOf } from "./reasons.mjs";

const checks = ["roundTrip", "values", "gradient"];
/** ONNX Runtime's interface keeps some memory of each session; a fresh process is quick again. */
const casesPerProcess = 100;
/** Milliseconds after which a case counts as hung: cases take a second, but machines may be busy. */
const patienceMs = 300_000;

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: "string" }, write: { type: "string" }, verbose: { type: "boolean" } },
});
const [folder] = positionals;
if (!folder) {
  console.error("Usage: npm run conformance -- DIR [--only TEXT] [--verbose] [--write VERSION]");
  process.exit(2);
}
const names = readdirSync(folder).filter(
  (name) => name.startsWith("test_") && name.includes(flags.only ?? ""),
);
const results = new Map();
const waiting = [...names];
await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, workThrough));
report(names.map((name) => results.get(name)));

async function workThrough() {
  let worker;
  for (let done = 0; waiting.length > 0; done++) {
    if (done % casesPerProcess === 0) {
      worker?.kill();
      worker = startWorker();
    }
    const name = waiting.shift();
    const result = await ask(worker, name);
    results.set(name, result.crashed ? failedCase(name, result.crashed) : result);
    if (result.crashed) worker = startWorker();
    if (process.stderr.isTTY) process.stderr.write(`\r${results.size} of ${names.length} `);
  }
  worker?.kill();
}

function startWorker() {
  return fork(new URL("worker.mjs", import.meta.url), { stdio: ["ignore", "inherit", "ignore", "ipc"] });
}

/** The result of a case, or { crashed } where the process ended or fell silent over it. */
function ask(worker, name) {
  return new Promise((resolve) => {
    const finish = (result) => {
      clearTimeout(timer);
      worker.removeAllListeners();
      resolve(result);
    };
    const timer = setTimeout(() => {
      worker.kill("SIGKILL");
      finish({ crashed: `no answer within ${patienceMs / 1000} s` });
    }, patienceMs);
    worker.once("message", finish);
    worker.once("exit", (code, signal) => finish({ crashed: `the process ended with ${signal ?? code}` }));
    worker.send({ folder, name });
  });
}

function failedCase(name, reason) {
  const failed = { status: "failed", reason };
  return { name, operator: "(crash)", opset: 0, roundTrip: failed, values: failed, gradient: failed };
}

function report(found) {
  for (const result of found) {
    for (const check of checks) {
      const { status, reason } = result[check];
      if (isBad(result, check) || (flags.verbose && reason))
        console.log([status, check, result.name, result.operator, reason].join("\t"));
    }
  }
  for (const check of checks) {
    const counts = ["passed", "none", "refused", "failed"].map(
      (status) => `${found.filter((result) => result[check].status === status).length} ${status}`,
    );
    console.log(`${check}: ${counts.join(", ")} of ${found.length}`);
  }
  if (flags.write)
    writeFileSync(new URL("../../docs/conformance.md", import.meta.url), page(found, flags.write));
  process.exitCode = found.some((result) => checks.some((check) => isBad(result, check))) ? 1 : 0;
}

/** Failed, or refused for no reason that stands in the table of them. */
function isBad(result, check) {
  const { status, reason } = result[check];
  return status === "failed" || (status === "refused" && !reasonOf(result.operator, reason));
}
