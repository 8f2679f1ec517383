/**
 * Feeds damaged files to everything that reads files: `npm run fuzz -- --count N [--seed S] [--only CASE] [--threads T]`.
 * Each case is a function of seed and number. Ctrl-C ends it early, with what it found so far. Ends with 1 when a case ends in anything but success or a DiapasonError, takes longer than
 * a second, or memory passes the bound.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { secret } from "./targets.mjs";

/**
 * A case that takes longer is run again, and is bad when it does so three times. Where the system tells it, a thread's
 * own time counts, up to a limit: other work on the machine may be in the way.
 */
const patienceMs = 1000;
const longestMs = 30_000;
const tries = 3;
/** The whole process, with all its workers. */
const mostBytes = 1.5e9;

const { values: flags } = parseArgs({
  options: {
    count: { type: "string", default: "10000" },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
    threads: { type: "string", default: String(Math.min(4, availableParallelism())) },
  },
});
const [count, seed, threads] = [Number(flags.count), Number(flags.seed), Number(flags.threads)];
const only = flags.only === undefined ? undefined : Number(flags.only);
if (![count, seed, only ?? 0, threads - 1].every((n) => Number.isSafeInteger(n) && n >= 0)) {
  console.error("Usage: npm run fuzz -- --count N [--seed S] [--only CASE] [--threads T]");
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), "diapason-fuzz-"));
writeFileSync(join(folder, "outside.bin"), secret.repeat(1000));
const bad = [];
const counts = new Map();
let peak = 0;
let ran = 0;
/** Ends the threads that are at work. */
const stops = new Set();
let isStopped = false;
process.once("SIGINT", () => {
  isStopped = true;
  for (const stop of stops) stop();
});
const began = performance.now();
const workers = only === undefined ? threads : 1;
await Promise.all(
  Array.from({ length: workers }, (_, i) =>
    through(only ?? i, only === undefined ? count : only + 1, workers, i),
  ),
);
rmSync(folder, { recursive: true, force: true });

for (const [key, n] of [...counts].sort()) console.log(`${key}\t${n}`);
const seconds = (performance.now() - began) / 1000;
console.log(
  `${ran} cases in ${seconds.toFixed(0)} s, ${bad.length} bad, at most ${Math.round(peak / 1e6)} MB`,
);
for (const { case: number, target, error } of bad.slice(0, 30))
  console.log(`case ${number} (${target}): ${error}`);
process.exitCode = bad.length > 0 || peak > mostBytes ? 1 : 0;

/** Runs every `step`-th case from the first on, in a thread that is replaced when a case hangs in it. */
async function through(first, end, step, index) {
  let next = first;
  let failures = 0;
  while (next < end && !isStopped) {
    const isAgain = failures > 0;
    const { stoppedAt, reason } = await inThread(next, isAgain ? next + 1 : end, step, index);
    ran += Math.ceil(((stoppedAt ?? (isAgain ? next + 1 : end)) - next) / step);
    if (stoppedAt === undefined) {
      next = isAgain ? next + step : end;
      failures = 0;
      continue;
    }
    failures = stoppedAt === next ? failures + 1 : 1;
    next = stoppedAt;
    if (failures < tries) continue;
    bad.push({ case: stoppedAt, target: "?", error: reason });
    ran++;
    next += step;
    failures = 0;
  }
}

/** Undefined, or the case that the thread did not get past. */
function inThread(first, last, step, index) {
  const shared = new SharedArrayBuffer(24);
  const [at, started] = [new BigInt64Array(shared, 0, 1), new Float64Array(shared, 8, 1)];
  const thread = new BigInt64Array(shared, 16, 1);
  let since = { at: -1n, ms: 0 };
  /** Milliseconds that the thread has worked on its case; undefined where the system does not tell. */
  const worked = () => {
    const ms = threadMs(Number(Atomics.load(thread, 0)));
    if (ms === undefined) return undefined;
    const now = Atomics.load(at, 0);
    if (now !== since.at) since = { at: now, ms };
    return ms - since.ms;
  };
  const worker = new Worker(new URL("worker.mjs", import.meta.url), {
    workerData: { seed, first, end: last, step, shared, folder: join(folder, `in-${index}`) },
    resourceLimits: { maxOldGenerationSizeMb: 512, stackSizeMb: 4 },
  });
  let seen = new Map();
  return new Promise((resolve) => {
    const finish = async (found) => {
      clearInterval(watch);
      stops.delete(end);
      for (const [key, n] of seen) counts.set(key, (counts.get(key) ?? 0) + n);
      await worker.terminate();
      resolve(found);
    };
    const end = () => finish({ stoppedAt: Number(Atomics.load(at, 0)), reason: "stopped" });
    stops.add(end);
    const stopped = (reason) => finish({ stoppedAt: Number(Atomics.load(at, 0)), reason });
    const watch = setInterval(() => {
      const elapsed = started[0] > 0 ? Date.now() - started[0] : 0;
      const own = worked() ?? elapsed;
      if (elapsed > 0 && (own > patienceMs || elapsed > longestMs))
        stopped(`takes longer than ${patienceMs / 1000} s`);
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

/** Processor time of a thread of this process on Linux, in steps of 10 ms; undefined elsewhere. */
function threadMs(id) {
  if (id === 0) return undefined;
  try {
    // the fields behind the name, which may hold anything: user and system time are the 12th and 13th of them
    const fields = readFileSync(`/proc/self/task/${id}/stat`, "utf8").split(") ").at(-1).split(" ");
    return 10 * (Number(fields[11]) + Number(fields[12]));
  } catch {
    return undefined;
  }
}
