/**
 * Feeds damaged files to everything that reads files: `npm run fuzz -- --count N [--seed S] [--only CASE]`. Each case is a
 * function of seed and number. Ends with 1 when a case ends in anything but success or a DiapasonError, takes longer than
 * a second, or memory passes the bound.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { secret } from "./targets.mjs";

/** A case that takes longer is run again alone, and is bad when it does so again. */
const patienceMs = 1000;
/** The whole process, with all its workers. */
const mostBytes = 1.5e9;

const { values: flags } = parseArgs({
  options: {
    count: { type: "string", default: "10000" },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
  },
});
const [count, seed] = [Number(flags.count), Number(flags.seed)];
const only = flags.only === undefined ? undefined : Number(flags.only);
if (![count, seed, only ?? 0].every((n) => Number.isSafeInteger(n) && n >= 0)) {
  console.error("Usage: npm run fuzz -- --count N [--seed S] [--only CASE]");
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), "diapason-fuzz-"));
writeFileSync(join(folder, "outside.bin"), secret.repeat(1000));
const bad = [];
const counts = new Map();
let peak = 0;
const began = performance.now();
const workers = only === undefined ? Math.min(4, availableParallelism()) : 1;
await Promise.all(
  Array.from({ length: workers }, (_, i) =>
    through(only ?? i, only === undefined ? count : only + 1, workers, i),
  ),
);
rmSync(folder, { recursive: true, force: true });

for (const [key, n] of [...counts].sort()) console.log(`${key}\t${n}`);
const seconds = (performance.now() - began) / 1000;
const total = [...counts.values()].reduce((sum, n) => sum + n, 0);
console.log(
  `${total} cases in ${seconds.toFixed(0)} s, ${bad.length} bad, at most ${Math.round(peak / 1e6)} MB`,
);
for (const { case: number, target, error } of bad.slice(0, 30))
  console.log(`case ${number} (${target}): ${error}`);
process.exitCode = bad.length > 0 || peak > mostBytes ? 1 : 0;

/** Runs every `step`-th case from the first on, in a thread that is replaced when a case hangs in it. */
async function through(first, end, step, index) {
  let next = first;
  let isSecondTry = false;
  while (next < end) {
    const { stoppedAt, reason } = await inThread(next, isSecondTry ? next + 1 : end, step, index);
    if (stoppedAt === undefined) {
      next = isSecondTry ? next + step : end;
      isSecondTry = false;
    } else if (isSecondTry) {
      bad.push({ case: stoppedAt, target: "?", error: reason });
      next = stoppedAt + step;
      isSecondTry = false;
    } else {
      next = stoppedAt;
      isSecondTry = true;
    }
  }
}

/** Undefined, or the case that the thread did not get past. */
function inThread(first, end, step, index) {
  const shared = new SharedArrayBuffer(16);
  const [at, started] = [new BigInt64Array(shared, 0, 1), new Float64Array(shared, 8, 1)];
  const worker = new Worker(new URL("worker.mjs", import.meta.url), {
    workerData: { seed, first, end, step, shared, folder: join(folder, `in-${index}`) },
    resourceLimits: { maxOldGenerationSizeMb: 512, stackSizeMb: 4 },
  });
  let seen = new Map();
  return new Promise((resolve) => {
    const finish = async (found) => {
      clearInterval(watch);
      for (const [key, n] of seen) counts.set(key, (counts.get(key) ?? 0) + n);
      await worker.terminate();
      resolve(found);
    };
    const stopped = (reason) => finish({ stoppedAt: Number(Atomics.load(at, 0)), reason });
    const watch = setInterval(() => {
      const elapsed = started[0] > 0 ? Date.now() - started[0] : 0;
      if (elapsed > patienceMs) stopped(`takes longer than ${patienceMs / 1000} s`);
      peak = Math.max(peak, process.memoryUsage().rss);
    }, 50);
    worker.on("message", (message) => {
      if (message.error) bad.push(message);
      else {
        seen = new Map(message.counts);
        peak = Math.max(peak, message.rss);
        if (message.done) finish({});
      }
    });
    worker.on("error", (error) => stopped(`ended its thread: ${error.message}`));
  });
}
