/** Runs cases from one number on, writes where it is into shared memory, and posts each that ends badly. */
import { readlinkSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { DiapasonError } from "../../dist/base/errors.js";
import { random } from "../../dist/base/random.js";
import { emptyFolder, targetOf } from "./targets.mjs";

const { seed, folder, shared, step } = workerData;
const [at, started] = [new BigInt64Array(shared, 0, 1), new Float64Array(shared, 8, 1)];
const thread = new BigInt64Array(shared, 16, 1);
try {
  // on Linux "PID/task/THREAD"
  Atomics.store(thread, 0, BigInt(readlinkSync("/proc/thread-self").split("/").at(-1)));
} catch {
  // elsewhere the clock alone tells how long a case takes
}
const counts = new Map();
// the tokenizers' library says there what it does not know of a tokenizer
console.warn = () => {};
let first = workerData.first;
emptyFolder(folder);
for (; first < workerData.end; first += step) {
  Atomics.store(at, 0, BigInt(first));
  started[0] = Date.now();
  const rng = random(seed, "fuzz", first);
  const target = targetOf(rng);
  let outcome = "read";
  try {
    await target.run(rng, folder);
  } catch (error) {
    outcome = error instanceof DiapasonError && error.code !== "base/bug" ? "refused" : "bad";
    if (outcome === "bad")
      parentPort.postMessage({ case: first, target: target.name, error: String(error?.stack ?? error) });
  }
  const key = `${target.name}\t${outcome}`;
  counts.set(key, (counts.get(key) ?? 0) + 1);
  if (first % 500 < step) parentPort.postMessage({ counts: [...counts], rss: process.memoryUsage().rss });
}
started[0] = 0;
parentPort.postMessage({ counts: [...counts], rss: process.memoryUsage().rss, done: true });
