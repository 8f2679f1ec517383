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
 * Processor time that a case may take: of its own thread where the system tells it, so that other work on the machine is
 * not held against it, else by the clock. What takes longer is run again, and is bad when it does so three times.
 */
const patienceMs = 1000;
/** A case whose thread does nothing for so long waits for what never comes. */
const idleMs = 20_000;
/** How often threads are looked at. */
const lookMs = 50;
const tries = 3;
/** How often is told where it is. */
const tellingMs = 60_000;
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
/** Told at once, so that a run which ends before its time has told what it found. */
const tell = (found) => {
  bad.push(found);
  console.error(`case ${found.case} (${found.target}): ${found.error}`);
};
const counts = new Map();
let peak = 0;
let ran = 0;
let toldAt = Date.now();
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
    tell({ case: stoppedAt, target: "?", error: reason });
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
  /** Where the thread was first seen at its case, and how often it was seen waiting since. */
  let since = { at: -1n, ms: 0, idle: 0 };
  /** What is wrong with how long a case takes; undefined where nothing is. */
  const overdue = () => {
    if (started[0] === 0) return undefined;
    const now = Atomics.load(at, 0);
    const state = threadState(Number(Atomics.load(thread, 0)));
    if (!state) return Date.now() - started[0] > patienceMs ? "takes longer than a second" : undefined;
    if (now !== since.at) since = { at: now, ms: state.ms, idle: 0 };
    // Looks are counted, not the clock: a process that was stopped for a while was not waiting.
    if (state.isWaiting) since.idle += lookMs;
    if (state.ms - since.ms > patienceMs) return "takes more than a second of processor time";
    return since.idle > idleMs ? `waits for more than ${idleMs / 1000} s` : undefined;
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
      const reason = overdue();
      if (reason) stopped(reason);
      peak = Math.max(peak, process.memoryUsage().rss);
      if (Date.now() - toldAt > tellingMs) {
        toldAt = Date.now();
        console.error(`${new Date().toISOString()} at case ${at[0]}`);
      }
    }, lookMs);
    worker.on("message", (message) => {
      if (message.error) tell(message);
      else {
        seen = new Map(message.counts);
        peak = Math.max(peak, message.rss);
        if (message.done) finish({});
      }
    });
    worker.on("error", (error) => stopped(`ended its thread: ${error.message}`));
  });
}

/** A thread of this process on Linux: its processor time, in steps of 10 ms, and whether it waits; undefined elsewhere. */
function threadState(id) {
  if (id === 0) return undefined;
  try {
    // the fields behind the name, which may hold anything: the state, and as the 12th and 13th user and system time
    const fields = readFileSync(`/proc/self/task/${id}/stat`, "utf8").split(") ").at(-1).split(" ");
    return { ms: 10 * (Number(fields[11]) + Number(fields[12])), isWaiting: fields[0] === "S" };
  } catch {
    return undefined;
  }
}
