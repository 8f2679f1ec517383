import { expect, test } from "vitest";
import { GraphBuilder } from "../graph/builder.ts";
import { Graph } from "../graph/ir.ts";
import { interpret } from "../graph/kernels/interpret.ts";
import { unbiasedRunningVariance } from "./batch-norm.ts";

/** The next running variance of one channel, 2 before, by ONNX's mean of 0.9 of the old and 0.1 of the batch's. */
function next(values: readonly number[], batch: number | string): number {
  const graph = new Graph("norm");
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", "float32", [batch, 1, 2]);
  const [one, zero, two] = [1, 0, 2].map((value) => g.constant([value]));
  const inputs = [x, one, zero, zero, two];
  const node = g.node("BatchNormalization", inputs, { training_mode: 1 }, ["y", "mean", "variance"]);
  const variance = unbiasedRunningVariance(graph, node);
  graph.addOutput(variance);
  const array = {
    dtype: "float32" as const,
    dims: [values.length / 2, 1, 2],
    data: Float64Array.from(values),
  };
  return interpret(graph, new Map([["x", array]])).get(variance.name)!.data[0]!;
}

// torch.nn.BatchNorm1d(1) with running_var = 2 on [[[1, 2]], [[3, 6]]]: the batch's variance is 14/3, not 14/4
const torch = 0.9 * 2 + 0.1 * (14 / 3);

test.each([2, "batch"])("the batch's share is divided by n − 1, batch %s", (batch) => {
  expect(next([1, 2, 3, 6], batch)).toBeCloseTo(torch, 6);
});
