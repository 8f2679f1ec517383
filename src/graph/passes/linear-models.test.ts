import { expect, test } from "vitest";
import { Graph } from "../ir.ts";
import { interpret } from "../kernels/interpret.ts";
import { ndArray } from "../kernels/nd-array.ts";
import { weighLinearModels } from "./linear-models.ts";
import { string } from "./upgrade.ts";

const floats = (value: readonly number[]) => ({ type: "floats", value }) as const;
const x = ndArray("float32", [2, 2], Float64Array.from([1, 2, -1, 0]));

test("a LinearRegressor becomes a product with weights", () => {
  const graph = new Graph("regressor");
  const input = graph.addInput("x", "float32", ["batch", 2]);
  const node = graph.addNode("LinearRegressor", [input], {
    domain: "ai.onnx.ml",
    outputs: ["y"],
    attributes: [
      ["coefficients", floats([1, 2, 3, 4])],
      ["intercepts", floats([0.5, -1])],
      ["targets", { type: "int", value: 2 }],
    ],
  });
  graph.addOutput(node.outputs[0]!);
  expect(weighLinearModels(graph)).toBe(1);
  // [1·1 + 2·2 + 0.5, 3·1 + 4·2 − 1], [−1 + 0.5, −3 − 1]
  expect([...interpret(graph, new Map([["x", x]])).get("y")!.data]).toEqual([5.5, 10, -0.5, -4]);
  expect([...graph.initializers].map(({ name }) => name)).toContain("LinearRegressor.coefficients");
});

test("a LinearClassifier becomes scores of its weights and the label of the largest", () => {
  const classifier = (transform: string, intercepts: readonly number[]) => {
    const graph = new Graph("classifier");
    const input = graph.addInput("x", "float32", ["batch", 2]);
    const node = graph.addNode("LinearClassifier", [input], {
      domain: "ai.onnx.ml",
      outputs: ["label", "scores"],
      attributes: [
        ["coefficients", floats([1, 0, 0, 1])],
        ["intercepts", floats(intercepts)],
        ["classlabels_ints", { type: "ints", value: [7, 9] }],
        ["post_transform", string(transform)],
      ],
    });
    for (const output of node.outputs) graph.addOutput(output!);
    return graph;
  };
  const graph = classifier("LOGISTIC", [0, 0]);
  expect(weighLinearModels(graph)).toBe(1);
  const found = interpret(graph, new Map([["x", x]]));
  expect([...found.get("label")!.data]).toEqual([9, 9]);
  expect([...found.get("scores")!.data].map((value) => value.toFixed(4))).toEqual([
    "0.7311",
    "0.8808",
    "0.2689",
    "0.5000",
  ]);
  expect(weighLinearModels(classifier("PROBIT", [0, 0]))).toBe(0);
  expect(weighLinearModels(classifier("NONE", [0]))).toBe(0);
});
