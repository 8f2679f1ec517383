import { expect, test } from "vitest";
import { type Attribute, Graph } from "../ir.ts";
import { weighLinearModels } from "../passes/linear-models.ts";
import { float32 } from "../tensor.ts";
import { expandNode } from "./expand.ts";

const text = (value: string): Attribute => ({ type: "string", value });
const zeros = (...dims: number[]) => float32(dims, new Float32Array(dims.reduce((a, b) => a * b)));

/** A graph of one operator over x: float32[1, 4, 4], whose attribute names what every object of JavaScript has. */
function hostile(domain: string, op: string, attribute: string, value: Attribute, weights = 0) {
  const graph = new Graph("hostile");
  const x = graph.addInput("x", "float32", weights > 0 ? [1, 4, 4] : [4, 4]);
  const given = Array.from({ length: weights }, (_, i) => graph.addInitializer(`w${i}`, zeros(1, 4, 4)));
  const attributes = [[attribute, value] as const];
  const node = graph.addNode(op, [x, ...(weights > 0 ? given : [x])], { domain, attributes });
  graph.addOutput(node.outputs[0]!);
  return { graph, node };
}

test.each([
  ["com.microsoft", "FusedGemm", "activation", text("constructor"), 0],
  ["ai.onnx.ml", "Normalizer", "norm", text("constructor"), 0],
  ["", "RNN", "activations", { type: "strings", value: ["constructor"] } as const, 2],
] as const)("%s %s refuses what is called like an object's own method", (domain, op, key, value, weights) => {
  const { graph, node } = hostile(domain, op, key, value, weights);
  expect(() => expandNode(graph, node)).toThrow(/constructor/);
});

test("a linear model with such a transform stays", () => {
  const { graph, node } = hostile("ai.onnx.ml", "LinearRegressor", "post_transform", text("constructor"));
  graph.setAttribute(node, "coefficients", { type: "floats", value: [1, 2, 3, 4] });
  expect(weighLinearModels(graph)).toBe(0);
  expect(graph.nodes).toContain(node);
});
