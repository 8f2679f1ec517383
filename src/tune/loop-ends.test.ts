import { describe, expect, test } from "vitest";
import { MemoryRecord } from "../../tests/tune/memory-record.ts";
import { accuracy, caught, finish, shortRun } from "../../tests/tune/short-run.ts";
import { tinyData, tinyModel } from "../../tests/tune/tiny-problem.ts";
import type { Executable } from "../runtime/runtime.ts";
import type { TuneEvent } from "./events.ts";
import { tuneLoop } from "./loop.ts";
import type { TuneLoopOptions } from "./options.ts";
import { planOf } from "./plans.ts";

describe("an end before the end", () => {
  test("maxSteps", async () => {
    const { events, result } = await finish(shortRun({ maxSteps: 4 }));
    expect(result).toMatchObject({ reason: "max-steps", steps: 4 });
    expect(events.at(-1)).toMatchObject({ type: "run-end", reason: "max-steps" });
  });

  test("maxSeconds", async () => {
    const { result } = await finish(shortRun({ maxSeconds: 1e-9 }));
    expect(result).toMatchObject({ reason: "max-seconds", steps: 0 });
  });

  test("a signal: the step is finished and a checkpoint written", async () => {
    const controller = new AbortController();
    const record = new MemoryRecord();
    const run = tuneLoop(shortRun({ record, signal: controller.signal }));
    let last: TuneEvent | undefined;
    for await (const event of run) {
      last = event;
      if (event.type === "step" && event.step === 2) controller.abort();
    }
    expect(last).toMatchObject({ type: "run-end", reason: "stopped", step: 2 });
    expect(record.checkpoints.map(({ checkpoint }) => checkpoint.progress.step)).toEqual([2]);
  });

  test.each([
    [{ batchSize: 0 }, "batchSize is 0"],
    [{ accumulate: 1.5 }, "accumulate is 1.5"],
    [{ clipNorm: -1 }, "clipNorm is -1"],
    [{ earlyStopping: { patience: 2 } }, "without `evaluate`"],
  ])("%j is refused", async (changes, text) => {
    const error = await caught(finish(shortRun(changes)));
    expect(error.code).toBe("tune/bad-option");
    expect(error.message).toContain(text);
  });
});

describe("going on from a checkpoint", () => {
  const options = (record?: MemoryRecord): TuneLoopOptions => {
    const model = tinyModel({ dropout: 0.3 });
    const data = tinyData(20);
    const plan = planOf("gradual", model.blocks, { epochs: 5, stages: 3, learningRate: 0.02 });
    const evaluate = async (executable: Executable) => ({ accuracy: await accuracy(executable, data) });
    return shortRun({
      model,
      data,
      plan,
      evaluate,
      weightDecay: 0.01,
      clipNorm: 1,
      batchSize: 3,
      accumulate: 2,
      evaluateEvery: 3,
      checkpointEvery: 1,
      ...(record ? { record } : {}),
    });
  };
  const withoutTimes = (events: readonly TuneEvent[]) =>
    events
      .filter((e) => e.type !== "run-start" && e.type !== "stage-start")
      .map((e) => ({ ...e, seconds: 0, examplesPerSecond: 0 }));

  test("gives the same weights and events as a run that was never interrupted, from any step", async () => {
    const whole = new MemoryRecord();
    const uninterrupted = await finish(options(whole));
    expect(whole.checkpoints.length).toBe(20);
    for (const index of [0, 3, 4, 9, 12, 18, 19]) {
      const record = whole.cutAfter(index);
      const { events, result } = await finish(options(record));
      expect(events[0]).toMatchObject({ type: "run-start", resumedFromStep: index + 1 });
      expect(result.values).toEqual(uninterrupted.result.values);
      expect(result.best).toEqual(uninterrupted.result.best);
      expect(withoutTimes(record.events)).toEqual(withoutTimes(whole.events));
    }
  });

  test("parameters that moved before keep their moments and step counts in the next stage", async () => {
    const record = new MemoryRecord();
    await finish(options(record));
    const { arrays } = record.checkpoints.at(-1)!.checkpoint;
    expect(arrays.get("head.weight")!.steps).toBe(20);
    expect(arrays.get("stem.weight")!.steps).toBe(12);
  });

  test("refuses other settings, naming them", async () => {
    const record = new MemoryRecord();
    await finish({ ...options(record), maxSteps: 2 });
    const error = await caught(finish({ ...options(record), batchSize: 4 }));
    expect(error.code).toBe("tune/settings-changed");
    expect(error.message).toContain("batchSize 3");
  });
});
