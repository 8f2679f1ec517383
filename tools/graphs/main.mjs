/**
 * Reads, writes, runs and checks every ONNX file of a folder: `npm run graphs -- DIR [--only TEXT] [--tune] [--write]`.
 * `--tune` also tunes each for a few steps on made-up data and runs what was saved. `--write` makes docs/graphs.md of
 * what was found, with MANIFEST.json of the folder for where each file comes from.
 */
import { fork } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { page } from "./page.mjs";

const patienceMs = 900_000;

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: "string" }, tune: { type: "boolean" }, write: { type: "boolean" } },
});
const [folder] = positionals;
if (!folder) {
  console.error("Usage: npm run graphs -- DIR [--only TEXT] [--tune] [--write]");
  process.exit(2);
}
const manifestFile = join(folder, "MANIFEST.json");
const manifest = existsSync(manifestFile) ? JSON.parse(readFileSync(manifestFile, "utf8")) : {};
const files = readdirSync(folder).filter((name) => name.endsWith(".onnx") && name.includes(flags.only ?? ""));
const results = [];
for (const name of files) {
  const found = await look(join(folder, name));
  const { repo, path } = manifest[name] ?? { repo: "", path: name };
  results.push({ name: basename(path), repo, ...found });
  console.log(
    basename(path),
    JSON.stringify({
      ...found.written,
      ...found.gradient,
      tuned: found.tuned,
      crashed: found.crashed,
      seconds: found.seconds,
    }),
  );
}
if (flags.write) writeFileSync(new URL("../../docs/graphs.md", import.meta.url), page(results));
const isBad = ({ crashed, written, gradient }) =>
  crashed || written.failed || gradient.failed || written.identical === false || gradient.verdict === "wrong";
process.exitCode = results.some(isBad) ? 1 : 0;

/** What a process of its own found of a graph. */
function look(file) {
  const started = performance.now();
  const worker = fork(new URL("worker.mjs", import.meta.url), {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  return new Promise((resolve) => {
    const finish = (found) => {
      clearTimeout(timer);
      worker.removeAllListeners();
      worker.kill("SIGKILL");
      resolve({ ...found, seconds: Math.round((performance.now() - started) / 100) / 10 });
    };
    const timer = setTimeout(
      () => finish({ crashed: `no answer within ${patienceMs / 1000} s` }),
      patienceMs,
    );
    worker.once("message", finish);
    worker.once("exit", (code, signal) => finish({ crashed: `the process ended with ${signal ?? code}` }));
    worker.send({ file, withTuning: flags.tune });
  });
}
