import { expect, test } from "vitest";
import { GraphBuilder } from "../graph/builder.ts";
import { Graph } from "../graph/ir.ts";
import { interpret, type NdArray } from "../graph/kernels/interpret.ts";
import { splitLosses } from "./split-losses.ts";

const options: readonly { readonly weighs: boolean; readonly attributes: Record<string, string | number> }[] =
  [
    { weighs: false, attributes: { reduction: "none" } },
    { weighs: false, attributes: { reduction: "sum", ignore_index: -100 } },
    { weighs: true, attributes: { reduction: "mean", ignore_index: 2 } },
    { weighs: true, attributes: {} },
  ];
const scores: NdArray = {
  dims: [2, 3, 2],
  data: Float64Array.from([1, -2, 3, 0, 7, 0.5, 2, 2, -1, 4, 0, 9]),
  dtype: "float32",
};

test.each(options)("a loss of labels is chosen from LogSoftmax: %j", ({ weighs, attributes }) => {
  const graph = new Graph("loss");
  const inputs = [
    graph.addInput("scores", "float32", [2, 3, 2]),
    graph.addInput("labels", "int64", [2, 2]),
    ...(weighs ? [graph.addInput("weights", "float32", [3])] : []),
  ];
  const { outputs } = new GraphBuilder(graph).node("SoftmaxCrossEntropyLoss", inputs, attributes, [
    "loss",
    "logs",
  ]);
  for (const output of outputs) graph.addOutput(output!);
  const split = splitLosses(graph);
  expect(split.nodes.map(({ op }) => op)).toEqual(["LogSoftmax", "NegativeLogLikelihoodLoss"]);
  expect(graph.nodes).toHaveLength(1);
  expect(splitLosses(split)).toBe(split);
  const feeds = new Map([
    ["scores", scores],
    ["labels", { dims: [2, 2], data: Float64Array.from([0, 2, 1, 0]), dtype: "int64" } as NdArray],
    ["weights", { dims: [3], data: Float64Array.from([1, 0.5, 3]), dtype: "float32" } as NdArray],
  ]);
  expect(interpret(split, feeds)).toEqual(interpret(graph, feeds));
});
