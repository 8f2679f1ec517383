import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MemoryRecord } from "../../tests/tune/memory-record.ts";
import { tinyBatch, tinyData, tinyModel } from "../../tests/tune/tiny-problem.ts";
import { DiapasonError } from "../base/errors.ts";
import { cpuRuntime } from "../runtime/cpu.node.ts";
import type { Executable, Runtime } from "../runtime/runtime.ts";
import type { TrainData } from "./data.ts";
import type { StepDone, TuneEvent } from "./events.ts";
import { type TuneResult, tuneLoop } from "./loop.ts";
import type { TuneLoopOptions } from "./options.ts";
import { planOf } from "./plans.ts";
import { scheduleOf } from "./schedules.ts";

let runtime: Runtime;
beforeAll(async () => {
  runtime = await cpuRuntime({ threads: 1 });
});
afterAll(() => runtime.dispose());

const sgd = { kind: "sgd", momentum: 0.9, dampening: 0, nesterov: false } as const;
const plain = { ...sgd, momentum: 0 } as const;

/** Options of a short run of everything, and what a test changes of them. */
function shortRun(changes: Partial<TuneLoopOptions> = {}): TuneLoopOptions {
  const model = changes.model ?? tinyModel();
  const plan = planOf("full", model.blocks, { epochs: 2, learningRate: 0.02 });
  return { model, plan, data: tinyData(20), runtime, seed: 3, batchSize: 8, ...changes };
}

async function finish(options: TuneLoopOptions): Promise<{ events: TuneEvent[]; result: TuneResult }> {
  const run = tuneLoop(options);
  const events: TuneEvent[] = [];
  for (;;) {
    const { done, value } = await run.next();
    if (done) return { events, result: value };
    events.push(value);
  }
}

async function caught(work: Promise<unknown>): Promise<DiapasonError> {
  const error = await work.catch((e: unknown) => e);
  if (error instanceof DiapasonError) return error;
  throw new Error(`no DiapasonError was thrown, but ${String(error)}`);
}

const stepsOf = (events: readonly TuneEvent[]) => events.filter((e): e is StepDone => e.type === "step");
const typesOf = (events: readonly TuneEvent[]) => events.map((e) => e.type);

/** Share of points whose largest logit is that of their class. */
async function accuracy(executable: Executable, data: ReturnType<typeof tinyData>): Promise<number> {
  const { x, targets } = await tinyBatch(data);
  const { logits } = await executable.run({ x: x! });
  const rows = logits!.dims[0]!;
  let right = 0;
  for (let i = 0; i < rows; i++) {
    const row = [...(logits!.data as Float32Array).subarray(3 * i, 3 * i + 3)];
    if (targets!.data[3 * i + row.indexOf(Math.max(...row))] === 1) right++;
  }
  return right / rows;
}

describe("a run", () => {
  test("learns, and tells what happens in order", async () => {
    const data = tinyData(60);
    const plan = planOf("lp-ft", tinyModel().blocks, { epochs: 30, learningRate: 0.01 });
    const evaluate = async (executable: Executable) => ({ accuracy: await accuracy(executable, data) });
    const { events, result } = await finish(shortRun({ data, plan, evaluate, batchSize: 16 }));
    const losses = stepsOf(events).map((e) => e.loss);
    expect(losses.at(-1)).toBeLessThan(0.5 * losses[0]!);
    expect(result.best!.value).toBeGreaterThan(0.85);
    expect(typesOf(events).filter((type) => type !== "step" && type !== "evaluation")).toEqual([
      "run-start",
      "stage-start",
      "gradients",
      "stage-end",
      "stage-start",
      "gradients",
      "stage-end",
      "run-end",
    ]);
    // the head's two, then the four that moved for the first time
    expect(events.flatMap((e) => (e.type === "gradients" ? [[e.parameters, e.without]] : []))).toEqual([
      [2, []],
      [4, []],
    ]);
    expect(events.filter((e) => e.type === "evaluation")).toHaveLength(30);
    expect(stepsOf(events).map((e) => e.step)).toEqual(Array.from({ length: 120 }, (_, i) => i + 1));
    expect(result).toMatchObject({ reason: "completed", steps: 120, epochs: 30 });
    expect(JSON.parse(JSON.stringify(events))).toEqual(events);
  });

  test("leaves frozen parameters bit-identical and gives only those that moved", async () => {
    const model = tinyModel();
    const before = new Map(
      model.parameters.map(({ name, value }) => [name, value.constant!.data.read().slice()] as const),
    );
    const plan = planOf("top-1", model.blocks, { epochs: 2, learningRate: 0.1 });
    const { result } = await finish(shortRun({ model, plan }));
    expect([...result.values.keys()].sort()).toEqual([
      "head.bias",
      "head.weight",
      "middle.bias",
      "middle.weight",
    ]);
    for (const { name, value } of model.parameters)
      expect(value.constant!.data.read()).toEqual(before.get(name));
    for (const [name, value] of result.values) {
      expect(new Uint8Array(value.buffer, value.byteOffset, value.byteLength)).not.toEqual(before.get(name));
    }
  });

  test("gives each block the rate that plan and schedule say", async () => {
    const { blocks } = tinyModel();
    const plan = planOf("full", blocks, { epochs: 4, learningRate: 0.02, decay: 2.6 });
    const { events } = await finish(shortRun({ plan }));
    const schedule = scheduleOf(plan.stages[0]!.schedule, 12);
    const steps = stepsOf(events);
    expect(steps).toHaveLength(12);
    for (const { step, rates } of steps) {
      expect(rates["head"]).toBeCloseTo(0.02 * schedule(step - 1), 9);
      expect(rates["stem"]).toBeCloseTo((0.02 * schedule(step - 1)) / 2.6 ** 2, 9);
    }
  });

  test("moves nothing where the rate is 0, though the block belongs to the stage", async () => {
    const model = tinyModel();
    const plan = planOf(
      [{ blocks: "all", epochs: 2, learningRate: 0.1, multipliers: { stem: 0 } }],
      model.blocks,
    );
    const { result } = await finish(shortRun({ model, plan, weightDecay: 0.1 }));
    const stem = model.graph.get("stem.weight").constant!.data.read();
    expect([...result.values.get("stem.weight")!]).toEqual([...new Float32Array(stem.slice().buffer)]);
  });

  test("multiplies a parameter's rate by its own multiplier", async () => {
    const model = tinyModel();
    const own = model.parameters.map((p) => (p.name === "stem.weight" ? { ...p, rate: 0 } : p));
    const plan = planOf("full", model.blocks, { epochs: 2, learningRate: 0.1 });
    const { result } = await finish(shortRun({ model: { ...model, parameters: own }, plan }));
    const stem = model.graph.get("stem.weight").constant!.data.read();
    expect([...result.values.get("stem.weight")!]).toEqual([...new Float32Array(stem.slice().buffer)]);
    const bias = model.graph.get("stem.bias").constant!.data.read();
    expect([...result.values.get("stem.bias")!]).not.toEqual([...new Float32Array(bias.slice().buffer)]);
  });

  test("the biases plan moves biases and the head", async () => {
    const plan = planOf("biases", tinyModel().blocks, { epochs: 1 });
    const { result } = await finish(shortRun({ plan }));
    expect([...result.values.keys()].sort()).toEqual([
      "head.bias",
      "head.weight",
      "middle.bias",
      "stem.bias",
    ]);
  });

  test("decays weights but not biases", async () => {
    const { blocks } = tinyModel();
    const plan = planOf("full", blocks, { epochs: 1, learningRate: 0.1, schedule: { kind: "constant" } });
    const free = await finish(shortRun({ plan, optimizer: plain, maxSteps: 1 }));
    const decayed = await finish(shortRun({ plan, optimizer: plain, maxSteps: 1, weightDecay: 0.5 }));
    for (const { name } of blocks) {
      const [weight, bias] = [`${name}.weight`, `${name}.bias`];
      expect(decayed.result.values.get(weight)).not.toEqual(free.result.values.get(weight));
      expect(decayed.result.values.get(bias)).toEqual(free.result.values.get(bias));
    }
  });
});

describe("batches", () => {
  /** The same points in the same order whatever the epoch. */
  const fixedOrder = (size: number): TrainData => {
    const data = tinyData(size);
    return { size, batches: (options) => data.batches({ ...options, epoch: 0 }) };
  };
  const closeTo = (a: TuneResult, b: TuneResult) => {
    for (const [name, value] of a.values)
      value.forEach((x, i) => void expect(x).toBeCloseTo(b.values.get(name)![i]!, 5));
  };

  test("accumulated are as one large batch", async () => {
    const once = await finish(shortRun({ data: fixedOrder(16), batchSize: 16, optimizer: sgd }));
    const parts = await finish(
      shortRun({ data: fixedOrder(16), batchSize: 4, accumulate: 4, optimizer: sgd }),
    );
    expect(parts.result.steps).toBe(once.result.steps);
    closeTo(parts.result, once.result);
  });

  test("a short last batch counts only its own examples", async () => {
    const padded = await finish(shortRun({ data: fixedOrder(5), batchSize: 8, optimizer: sgd }));
    const exact = await finish(shortRun({ data: fixedOrder(5), batchSize: 5, optimizer: sgd }));
    closeTo(padded.result, exact.result);
    expect(stepsOf(padded.events)[0]!.loss).toBeCloseTo(stepsOf(exact.events)[0]!.loss, 5);
  });

  test("are prepared while the step before runs", async () => {
    const log: string[] = [];
    const good = tinyData(24);
    const data: TrainData = {
      size: 24,
      async *batches(options) {
        for await (const batch of good.batches(options)) {
          log.push("batch");
          yield batch;
        }
      },
    };
    const run = tuneLoop(shortRun({ data, plan: planOf("head", tinyModel().blocks, { epochs: 1 }) }));
    for await (const { type } of run) if (type === "step") log.push("step");
    expect(log).toEqual(["batch", "batch", "step", "batch", "step", "step"]);
  });

  test("data that end early are refused", async () => {
    const data: TrainData = { ...tinyData(8), size: 20 };
    const error = await caught(finish(shortRun({ data })));
    expect(error.code).toBe("tune/bad-batch");
    expect(error.message).toContain("after 1 batches of the 3");
  });

  test("a NaN in the data stops the run and is named, with its example", async () => {
    const good = tinyData(20);
    let spoilt = "";
    const data: TrainData = {
      size: 20,
      async *batches(options) {
        for await (const batch of good.batches(options)) {
          if (options.epoch === 1 && spoilt === "") {
            const { data, dims } = batch.inputs["x"]!;
            data[2 * (data.length / dims[0]!) + 1] = Number.NaN;
            spoilt = batch.ids[2]!;
          }
          yield batch;
        }
      },
    };
    const record = new MemoryRecord();
    const error = await caught(finish(shortRun({ data, record })));
    expect(error.code).toBe("tune/loss-not-finite");
    expect(error.message).toBe(`At step 4 the loss is NaN: "x" of the example ${spoilt} holds NaN.`);
    expect(record.checkpoints.at(-1)!.checkpoint.progress.step).toBe(3);
  });
});

describe("BatchNormalization", () => {
  const trained = async (batchNorm: "frozen" | "training") => {
    const model = tinyModel({ batchNorm: true });
    const plan = planOf("top-1", model.blocks, { epochs: 2, batchNorm });
    const data = tinyData(20);
    const evaluate = async (executable: Executable) => ({ accuracy: await accuracy(executable, data) });
    const record = new MemoryRecord();
    const { result } = await finish(shortRun({ model, plan, data, evaluate, record }));
    return { result, record };
  };

  test("keeps its running statistics while its block is frozen, or when they are to stay", async () => {
    const frozen = await trained("frozen");
    expect([...frozen.result.values.keys()].filter((name) => /mean|var/.test(name))).toEqual([]);
    const training = await trained("training");
    expect([...training.result.values.keys()].filter((name) => name.startsWith("stem"))).toEqual([]);
  });

  test("follows the batches in a thawed block, and its statistics belong to checkpoints", async () => {
    const { result, record } = await trained("training");
    const variance = result.values.get("middle.var")!;
    expect(variance).toHaveLength(6);
    expect([...variance].every((v) => v > 0 && v !== 1)).toBe(true);
    const { arrays } = record.checkpoints.at(-1)!.checkpoint;
    expect(arrays.get("middle.mean")!.kind).toBe("buffer");
    expect(arrays.get("middle.mean")!.value).toEqual(result.values.get("middle.mean"));
  });
});

describe("evaluation", () => {
  const scripted = (values: readonly number[]) => {
    let i = 0;
    return async () => ({ score: values[i++] ?? 0 });
  };

  test("the best evaluation's weights are the result", async () => {
    const model = tinyModel();
    const plan = planOf("full", model.blocks, { epochs: 4, learningRate: 0.02 });
    const { result } = await finish(shortRun({ plan, evaluate: scripted([0.1, 0.9, 0.2, 0.3]) }));
    expect(result.best).toEqual({ step: 6, metric: "score", value: 0.9 });
    const until = await finish(shortRun({ plan, maxSteps: 6 }));
    expect(result.values).toEqual(until.result.values);
    const last = await finish(
      shortRun({ plan, evaluate: scripted([0.1, 0.9, 0.2, 0.3]), restoreBest: false }),
    );
    expect(last.result.values).not.toEqual(until.result.values);
  });

  test("a metric may be better when smaller", async () => {
    const metric = { name: "score", mode: "min" } as const;
    const { result } = await finish(shortRun({ metric, evaluate: scripted([0.4, 0.7]) }));
    expect(result.best).toEqual({ step: 3, metric: "score", value: 0.4 });
  });

  test("patience ends a stage, and the next one has its own", async () => {
    const plan = planOf("lp-ft", tinyModel().blocks, { epochs: 30 });
    const options = shortRun({
      plan,
      evaluate: scripted([0.5, 0.4, 0.4, 0.3, 0.3, 0.2]),
      earlyStopping: { patience: 2 },
    });
    const { events, result } = await finish(options);
    const stops = events.filter((e) => e.type === "early-stop");
    expect(stops).toMatchObject([
      { stage: "probe", step: 9, best: { step: 3, value: 0.5 } },
      { stage: "tune", step: 18 },
    ]);
    expect(result.reason).toBe("completed");
  });

  test("may come every few steps, and comes at the end of a stage", async () => {
    const { events } = await finish(shortRun({ evaluate: scripted([]), evaluateEvery: 4 }));
    expect(events.flatMap((e) => (e.type === "evaluation" ? [e.step] : []))).toEqual([4, 6]);
  });

  test("an unknown metric is refused", async () => {
    const metric = { name: "f1", mode: "max" } as const;
    const error = await caught(finish(shortRun({ metric, evaluate: scripted([1]) })));
    expect(error.message).toContain('"f1"; the evaluation gave score');
  });

  test("is without dropout", async () => {
    const data = tinyData(20);
    const seen: unknown[] = [];
    const evaluate = async (executable: Executable) => {
      const { x } = await tinyBatch(data);
      for (let i = 0; i < 2; i++) seen.push((await executable.run({ x: x! }))["logits"]!.data.slice());
      return { score: 0 };
    };
    const model = tinyModel({ dropout: 0.5 });
    await finish(shortRun({ model, data, evaluate, maxSteps: 1 }));
    expect(seen[0]).toEqual(seen[1]);
  });
});

describe("warnings", () => {
  test("a gradient that is always 0 is named", async () => {
    const good = tinyData(20);
    const data: TrainData = {
      size: 20,
      async *batches(options) {
        for await (const batch of good.batches(options)) {
          (batch.inputs["x"]!.data as Float32Array).fill(0);
          yield batch;
        }
      },
    };
    const { events } = await finish(shortRun({ data }));
    const messages = events.flatMap((e) => (e.type === "warning" ? [e.message] : []));
    expect(messages).toHaveLength(1);
    expect(messages[0]).toMatch(/^The gradient of "stem.weight" was .*: it does not learn\.$/);
  });
});

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
