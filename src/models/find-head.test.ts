import { describe, expect, test } from "vitest";
import { Graph, type Value } from "../graph/ir.ts";
import { float32, sizeOf } from "../graph/tensor.ts";
import { findHead } from "./find-head.ts";

const zeros = (...dims: number[]) => float32(dims, new Float32Array(sizeOf(dims)));
type Step = [
  op: string,
  weights?: readonly (readonly number[])[],
  shape?: readonly (number | string)[] | undefined,
  transB?: 1,
];

/** A chain of operators over [batch, 8, 4, 4]; each reads the one before and its weights. */
function headOf(...steps: Step[]) {
  const graph = new Graph("g");
  let value: Value = graph.addInput("x", "float32", ["batch", 8, 4, 4]);
  steps.forEach(([op, weights = [], shape, transB], i) => {
    const constants = weights.map((dims, j) => graph.addInitializer(`w${i}.${j}`, zeros(...dims)));
    value = graph.addNode(op, [value, ...constants], {
      attributes: transB ? [["transB", { type: "int", value: 1 }]] : [],
    }).outputs[0]!;
    value.shape = shape;
  });
  const head = findHead(value);
  return head && [head.kind, head.node.op, head.weight.name, head.classAxis, head.bias?.name, head.classes];
}

describe("the head of a classifier", () => {
  test("Gemm as PyTorch writes it", () =>
    expect(headOf(["Flatten"], ["Gemm", [[5, 128], [5]], undefined, 1])).toEqual([
      "linear",
      "Gemm",
      "w1.0",
      0,
      "w1.1",
      5,
    ]));
  test("MatMul and Add, then Softmax", () =>
    expect(headOf(["Flatten"], ["MatMul", [[128, 5]]], ["Add", [[5]]], ["Softmax"])).toEqual([
      ...["linear", "MatMul", "w1.0", 1, "w2.0", 5],
    ]));
  test("a 1×1 convolution that is averaged over the image", () =>
    expect(
      headOf(["Conv", [[5, 8, 1, 1]]], ["Relu"], ["GlobalAveragePool"], ["Flatten", [], ["batch", 5]]),
    ).toEqual(["conv", "Conv", "w0.0", 0, undefined, 5]));
  test("a detector's convolution is none", () =>
    expect(headOf(["Conv", [[5, 8, 1, 1]], ["batch", 5, 4, 4]])).toBeUndefined());
  test("a product for each token is none", () =>
    expect(headOf(["MatMul", [[4, 5]], ["batch", 8, 5]])).toBeUndefined());
  test("features are none", () =>
    expect(headOf(["Conv", [[5, 8, 1, 1]]], ["Add", [[5, 1, 1]]])).toBeUndefined());
});
