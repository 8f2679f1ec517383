import { afterEach, expect, test } from "vitest";
import { JobThread } from "./job-thread.node.ts";

/** Answers with the job and what the thread was given; "end" ends it. */
const program = `
  import { parentPort, workerData } from "node:worker_threads";
  parentPort.on("message", (job) => {
    if (job === "end") throw new Error("the end");
    setTimeout(() => parentPort.postMessage(job + workerData), job === "slow" ? 20 : 0);
  });`;
const url = new URL(`data:text/javascript,${encodeURIComponent(program)}`);

let thread: JobThread<unknown, string>;
afterEach(() => thread.close());

test("jobs are answered, and counted until they are", async () => {
  thread = new JobThread(url, "!");
  const first = thread.run("a");
  expect(thread.load).toBe(1);
  expect(await first).toBe("a!");
  expect(await Promise.all(["b", "c"].map((job) => thread.run(job)))).toEqual(["b!", "c!"]);
  expect(thread.load).toBe(0);
});

test("what ends the thread is told to all who wait, and to whoever asks afterwards", async () => {
  thread = new JobThread(url, "!");
  const waiting = [thread.run("slow"), thread.run("end")];
  for (const one of waiting) await expect(one).rejects.toThrow("the end");
  await expect(thread.run("a")).rejects.toThrow("the end");
});

test("a job that cannot be copied is refused, and leaves the others their answers", async () => {
  thread = new JobThread(url, "!");
  await expect(thread.run(() => 1)).rejects.toThrow(/could not be cloned/);
  expect(await thread.run("a")).toBe("a!");
});

test("a closed thread does no more", async () => {
  thread = new JobThread(url, "!");
  const waiting = thread.run("slow");
  const told = expect(waiting).rejects.toThrow("the thread was closed");
  await thread.close();
  await told;
});
