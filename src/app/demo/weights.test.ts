import { expect, test } from "vitest";
import { Graph } from "../../graph/ir.ts";
import { float32, sizeOf, type Tensor } from "../../graph/tensor.ts";
import { initialise } from "./weights.ts";

const valuesOf = ({ data }: Tensor) => {
  const bytes = data.read();
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
};

function initialised(seed: number) {
  const graph = new Graph("g");
  const dims: Record<string, readonly number[]> = {
    "conv.weight": [64, 32, 3, 3],
    "head.weight": [10, 100],
    "bn.weight": [4],
    "bn.bias": [4],
    "bn.running_mean": [4],
    "bn.running_var": [4],
  };
  for (const [name, shape] of Object.entries(dims))
    graph.addInitializer(name, float32(shape, new Float32Array(sizeOf(shape)).fill(7)));
  initialise(graph, Object.keys(dims), seed);
  return (name: string) => [...valuesOf(graph.get(name).constant!)];
}

test("kernels have He's variance, matrices torch.nn.Linear's bound", () => {
  const of = initialised(0);
  const kernel = of("conv.weight");
  const variance = kernel.reduce((sum, v) => sum + v * v, 0) / kernel.length;
  expect(variance / (2 / (32 * 9))).toBeCloseTo(1, 1);
  const largest = Math.max(...of("head.weight").map(Math.abs));
  expect(largest).toBeLessThanOrEqual(0.1);
  expect(largest).toBeGreaterThan(0.095);
});

test("a normalisation starts as the identity", () => {
  const of = initialised(0);
  expect(["weight", "bias", "running_mean", "running_var"].map((part) => of(`bn.${part}`)[0])).toEqual([
    1, 0, 0, 1,
  ]);
});

test("the seed decides every draw", () => {
  expect(initialised(1)("conv.weight")).toEqual(initialised(1)("conv.weight"));
  expect(initialised(1)("conv.weight")).not.toEqual(initialised(2)("conv.weight"));
});
