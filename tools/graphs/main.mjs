/**
 * Reads, writes, runs and checks every ONNX file of a folder:
 * `npm run graphs -- DIR [--only TEXT] [--tune] [--write] [--found FILE] [--patience SECONDS]`.
 * `--tune` also tunes each for a few steps on made-up data and runs what was saved. `--write` makes docs/graphs.md of
 * what was found, with MANIFEST.json of the folder for where each file comes from. `--found` keeps what was found of each
 * file, one JSON object a line; a file that stands there is not looked at again, so that a run that was stopped goes on and
 * a page is made in parts; one without an answer is tried again. `--patience`: how long to wait for one (900).
 */
import { fork } from "node:child_process";
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { page } from "./page.mjs";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string", default: "" },
    tune: { type: "boolean" },
    write: { type: "boolean" },
    found: { type: "string" },
    patience: { type: "string", default: "900" },
  },
});
const [folder] = positionals;
const patienceMs = 1000 * Number(flags.patience);
if (!folder || !(patienceMs > 0)) {
  console.error(
    "Usage: npm run graphs -- DIR [--only TEXT] [--tune] [--write] [--found FILE] [--patience SECONDS]",
  );
  process.exit(2);
}
const manifestFile = join(folder, "MANIFEST.json");
const manifest = existsSync(manifestFile) ? JSON.parse(readFileSync(manifestFile, "utf8")) : {};
const files = readdirSync(folder).filter((name) => name.endsWith(".onnx"));
const known = new Map(
  (flags.found && existsSync(flags.found) ? readFileSync(flags.found, "utf8") : "")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line))
    .filter(({ crashed }) => !crashed)
    .map(({ file, ...found }) => [file, found]),
);
for (const file of files.filter((name) => name.includes(flags.only) && !known.has(name))) {
  const found = await look(join(folder, file));
  known.set(file, found);
  if (flags.found) appendFileSync(flags.found, `${JSON.stringify({ file, ...found })}\n`);
  console.log(
    shortName(file),
    JSON.stringify({
      ...found.written,
      ...found.gradient,
      tuned: found.tuned,
      crashed: found.crashed,
      seconds: found.seconds,
    }),
  );
}
const results = files
  .filter((file) => known.has(file))
  .map((file) => ({ name: shortName(file), repo: manifest[file]?.repo ?? "", ...known.get(file) }));
if (flags.write) writeFileSync(new URL("../../docs/graphs.md", import.meta.url), page(results));
const isBad = ({ crashed, written, gradient }) =>
  crashed || written.failed || gradient.failed || written.identical === false || gradient.verdict === "wrong";
process.exitCode = results.some(isBad) ? 1 : 0;

/** The name that a file had where it comes from. */
function shortName(file) {
  return basename(manifest[file]?.path ?? file);
}

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
