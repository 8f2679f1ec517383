import { expect, test } from "vitest";
import { Graph } from "../graph/ir.ts";
import { float32 } from "../graph/tensor.ts";
import { movingStatistics, useBatchStatistics } from "./batch-statistics.ts";
import { planOf } from "./plans.ts";

const blocks = ["low", "high"].map((name) => ({
  name,
  parameters: [`${name}.scale`],
  buffers: [`${name}.mean`, `${name}.var`],
}));

/** Two BatchNormalizations, one after the other. */
function twoNorms(): Graph {
  const graph = new Graph("norms");
  let x = graph.addInput("x", "float32", ["batch", 3]);
  for (const { name } of blocks) {
    const vectors = ["scale", "bias", "mean", "var"].map((kind) =>
      graph.addInitializer(`${name}.${kind}`, float32([3], [1, 1, 1])),
    );
    const attributes = [["epsilon", { type: "float", value: 1e-3 }]] as const;
    x = graph.addNode("BatchNormalization", [x, ...vectors], { outputs: [`${name}.y`], attributes })
      .outputs[0]!;
  }
  graph.addOutput(x);
  return graph;
}

test("only normalisations whose statistics move use the batch's", () => {
  const graph = twoNorms();
  const updates = useBatchStatistics(graph, new Set(["high.mean", "high.var"]));
  const [low, high] = graph.nodes;
  expect(low!.attributes.has("training_mode")).toBe(false);
  expect(high!.attributes.get("training_mode")).toEqual({ type: "int", value: 1 });
  expect(high!.attributes.get("epsilon")).toEqual({ type: "float", value: 1e-3 });
  expect(high!.inputs[0]!.name).toBe("low.y");
  expect(Object.fromEntries(updates)).toEqual({ "high.mean": "high.mean.next", "high.var": "high.var.next" });
  expect(graph.outputs.map(({ name }) => name)).toEqual(["high.y", "high.mean.next", "high.var.next"]);
});

test("what reads the normalised value still does", () => {
  const graph = twoNorms();
  useBatchStatistics(graph, new Set(["low.mean", "low.var"]));
  const [low, high] = graph.nodes;
  expect(high!.inputs[0]).toBe(low!.outputs[0]);
  expect(graph.get("low.y")).toBe(low!.outputs[0]);
});

test("statistics move with their block, when the stage says so", () => {
  const moving = (batchNorm: "frozen" | "training") => [
    ...movingStatistics(planOf("head", blocks, { batchNorm }).stages[0]!, blocks),
  ];
  expect(moving("training")).toEqual(["high.mean", "high.var"]);
  expect(moving("frozen")).toEqual([]);
});
