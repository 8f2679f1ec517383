import { afterAll, beforeAll, expect, test } from "vitest";
import { tinyData, tinyModel } from "../../tests/tune/tiny-problem.ts";
import { random } from "../base/random.ts";
import type { Graph } from "../graph/ir.ts";
import { float32 } from "../graph/tensor.ts";
import { nodesReaching } from "../models/parameters.ts";
import { cpuRuntime } from "../runtime/cpu.node.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { TrainData } from "./data.ts";
import type { Tunable } from "./options.ts";
import { planOf } from "./plans.ts";
import { statisticsShift } from "./statistics-shift.ts";

let runtime: Runtime;
beforeAll(async () => {
  runtime = await cpuRuntime({ threads: 1 });
});
afterAll(() => runtime.dispose());

/** The tiny model with other running statistics in a block; its stem then sums x as it is, for sums that are known. */
function pretrainedWith(mean: readonly number[], variance: readonly number[]): Tunable {
  const model = tinyModel({ batchNorm: true });
  const set = (name: string, values: readonly number[]) => {
    const value = model.graph.get(name);
    model.graph.setConstant(value, float32(value.constant!.dims, Float32Array.from(values)));
  };
  set(
    "stem.weight",
    Array.from({ length: 32 }, (_, i) => Number(i % 8 === Math.floor(i / 8))),
  );
  set("stem.bias", Array(8).fill(0));
  set("stem.mean", mean);
  set("stem.var", variance);
  // only the stem has statistics of interest
  const blocks = model.blocks.map((block) => (block.name === "middle" ? { ...block, buffers: [] } : block));
  return { ...model, blocks };
}

/** 600 examples, feature f from a normal distribution about 1000 f of the deviation f + 1. */
const data: TrainData = {
  size: 600,
  async *batches({ batchSize }) {
    for (let from = 0; from < 600; from += batchSize) {
      const ids = Array.from({ length: Math.min(batchSize, 600 - from) }, (_, i) => `row ${from + i}`);
      const rows = ids.map((id) =>
        Array.from({ length: 4 }, (_, f) => 1000 * f + (f + 1) * random(1, id, f).normal()),
      );
      const x = { dtype: "float32", dims: [ids.length, 4], data: Float32Array.from(rows.flat()) } as const;
      const targets = {
        dtype: "float32",
        dims: [ids.length, 3],
        data: new Float32Array(ids.length * 3),
      } as const;
      yield { ids, inputs: { x, targets } };
    }
  },
};

const means = [0, 1000, 2000, 3000, 0, 0, 0, 0];
const variances = [1, 4, 9, 16, 1e-5, 1e-5, 1e-5, 1e-5];
const options = { batchSize: 64, seed: 0 };

async function shiftFrom(mean: readonly number[], variance: readonly number[], plan = "full") {
  const model = pretrainedWith(mean, variance);
  return statisticsShift({ model, plan: planOf(plan, model.blocks), data }, runtime, options);
}

test("data like those before have nearly none, however far their mean lies from 0", async () => {
  const shift = await shiftFrom(means, variances);
  expect(shift).toMatchObject({ layers: 1, examples: 256 });
  // four of the channels are always 0, of which ½ (½ − 1 + ln 2) remains
  expect(shift!.nats - ((-1 / 2 + Math.log(2)) / 2) * (4 / 8)).toBeLessThan(0.01);
});

test("it is the divergence of two normal distributions", async () => {
  const base = (await shiftFrom(means, variances))!.nats;
  // one deviation more in the mean of a channel of eight: ½ · 1/8, once the draws' own deviation cancels
  const up = (await shiftFrom([1, ...means.slice(1)], variances))!.nats;
  const down = (await shiftFrom([-1, ...means.slice(1)], variances))!.nats;
  expect((up + down) / 2 - base).toBeCloseTo(1 / 16, 4);
  // four times the variance: ½ (¼ − 1 + ln 4) / 8
  const wider = (await shiftFrom(means, [1, 16, 9, 16, ...variances.slice(4)]))!.nats;
  expect(wider - base).toBeCloseTo((1 / 4 - 1 + Math.log(4)) / 16, 2);
});

test("where no statistics would move there is nothing to measure", async () => {
  expect(await shiftFrom(means, variances, "head")).toBeUndefined();
  const model = tinyModel();
  const plan = planOf("full", model.blocks);
  expect(await statisticsShift({ model, plan, data: tinyData(20) }, runtime, options)).toBeUndefined();
});

test("the first layer is measured first, so that what it reads is not kept until the last is", async () => {
  const model = tinyModel({ batchNorm: true });
  const compiled: Graph[] = [];
  const watched: Runtime = {
    ...runtime,
    compile(graph, choices) {
      compiled.push(graph);
      expect(choices?.purpose).toBe("training");
      return runtime.compile(graph, choices);
    },
  };
  const shift = await statisticsShift({ model, plan: planOf("full", model.blocks), data }, watched, options);
  expect(shift).toMatchObject({ layers: 2 });
  const [graph] = compiled;
  const ends = graph!.nodes.filter((node) => node.outputs.every((value) => value?.consumers.length === 0));
  // the runtime begins with the last of those that nobody reads
  const depth = ends.reverse().map((node) => nodesReaching(node.outputs[0]!).size);
  expect(depth).toEqual([...depth].sort((a, b) => a - b));
});
