import { describe, expect, test } from "vitest";
import { MemoryRecord } from "../../tests/tune/memory-record.ts";
import { accuracy, caught, finish, shortRun, stepsOf, typesOf } from "../../tests/tune/short-run.ts";
import { tinyData, tinyModel } from "../../tests/tune/tiny-problem.ts";
import type { Executable } from "../runtime/runtime.ts";
import type { TrainData } from "./data.ts";
import { type TuneResult, tuneLoop } from "./loop.ts";
import { planOf } from "./plans.ts";
import { scheduleOf } from "./schedules.ts";

const sgd = { kind: "sgd", momentum: 0.9, dampening: 0, nesterov: false } as const;
const plain = { ...sgd, momentum: 0 } as const;

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
