import { describe, expect, test } from "vitest";
import { inferShapes } from "../graph/infer.ts";
import { Graph, type Value } from "../graph/ir.ts";
import { float32, int64, sizeOf, type Tensor } from "../graph/tensor.ts";
import { describeModel } from "./describe.ts";
import { replaceHead, stepBeforeSoftmax } from "./head.ts";

const ones = (...dims: number[]) => float32(dims, new Float32Array(sizeOf(dims)).fill(1));
const floats = (tensor: Tensor) => new Float32Array(tensor.data.read().slice().buffer);

function modelOf(make: (graph: Graph, x: Value) => Value, labels?: readonly string[], name = "probs") {
  const graph = new Graph("g");
  const x = graph.addInput("x", "float32", ["batch", 8, 4, 4]);
  const output = make(graph, x);
  graph.rename(output, name);
  graph.addOutput(output);
  inferShapes(graph);
  return describeModel({
    ...{
      graph,
      inputName: "x",
      labels,
      notes: [],
      config: {},
      source: "test",
      transposed: new Set<string>(),
    },
  });
}
const op = (graph: Graph, name: string, inputs: Value[], transB = 0) =>
  graph.addNode(name, inputs, {
    attributes: transB ? [["transB", { type: "int", value: 1 }]] : [],
  }).outputs[0]!;

/** Flatten, Gemm 128→5, Softmax. */
const linear = (labels?: readonly string[]) =>
  modelOf((g, x) => {
    const weights = [g.addInitializer("fc.weight", ones(5, 128)), g.addInitializer("fc.bias", ones(5))];
    return op(g, "Softmax", [op(g, "Gemm", [op(g, "Flatten", [x]), ...weights], 1)]);
  }, labels);

describe("replacing a head", () => {
  test("what was called logits and is none of the new classes' gives its name up", () => {
    // logits of words at 16 places, as a masked language model gives them
    const words = modelOf(
      (g, x) => op(g, "Reshape", [x, g.addInitializer("shape", int64([3], [0, 16, 8]))]),
      undefined,
      "logits",
    );
    const { output, graph } = replaceHead(words, { labels: ["a", "b"], seed: 1 });
    expect([output.name, output.shape]).toEqual(["logits", ["batch", 2]]);
    expect(graph.outputs).toEqual([output]);
  });

  test("same names, new width, seeded uniform weights, bias zero, logits out", () => {
    const before = linear();
    const after = replaceHead(before, { labels: ["a", "b", "c"], seed: 7 });
    const weight = floats(after.graph.get("fc.weight").constant!);
    expect(after.graph.get("fc.weight").constant!.dims).toEqual([3, 128]);
    const bound = 1 / Math.sqrt(128);
    expect(Math.max(...weight)).toBeLessThan(bound);
    expect(Math.max(...weight)).toBeGreaterThan(0.9 * bound);
    expect(Math.min(...weight)).toBeLessThan(-0.9 * bound);
    expect([...floats(after.graph.get("fc.bias").constant!)]).toEqual([0, 0, 0]);
    expect([after.output.name, after.output.shape, after.output.producer?.op]).toEqual([
      "logits",
      ["batch", 3],
      "Gemm",
    ]);
    expect(after.labels).toEqual(["a", "b", "c"]);
    expect(after.blocks.at(-1)).toMatchObject({ name: "head", parameters: ["fc.weight", "fc.bias"] });
    expect(before.graph.get("fc.weight").constant!.dims).toEqual([5, 128]);
    const again = replaceHead(before, { labels: ["a", "b", "c"], seed: 7 });
    expect(floats(again.graph.get("fc.weight").constant!)).toEqual(weight);
    const other = replaceHead(before, { labels: ["a", "b", "c"], seed: 8 });
    expect(floats(other.graph.get("fc.weight").constant!)).not.toEqual(weight);
  });
  test("the same classes in the same order: kept, and said; another order: replaced", () => {
    const labels = ["a", "b", "c", "d", "e"];
    const kept = replaceHead(linear(labels), { labels, seed: 1 });
    expect(floats(kept.graph.get("fc.weight").constant!).every((w) => w === 1)).toBe(true);
    expect(kept.notes.join()).toContain("kept");
    const fresh = replaceHead(linear(labels), { labels: labels.toReversed(), seed: 1 });
    expect(floats(fresh.graph.get("fc.weight").constant!).every((w) => w === 1)).toBe(false);
    expect(
      floats(
        replaceHead(linear(labels), { labels, seed: 1, keep: false }).graph.get("fc.weight").constant!,
      )[0],
    ).not.toBe(1);
  });
  test("a convolution that is averaged: its activation and pooling stay, the old Reshape goes", () => {
    const model = modelOf((g, x) => {
      const conv = op(g, "Conv", [
        x,
        g.addInitializer("conv.weight", ones(5, 8, 1, 1)),
        g.addInitializer("conv.bias", ones(5)),
      ]);
      const pool = op(g, "GlobalAveragePool", [op(g, "Relu", [conv])]);
      return op(g, "Reshape", [pool, g.addInitializer("shape", int64([2], [-1, 5]))]);
    });
    const { graph, output } = replaceHead(model, { labels: ["a", "b"], seed: 1 });
    expect(graph.nodes.map((node) => node.op)).toEqual(["Conv", "Relu", "GlobalAveragePool", "Flatten"]);
    expect([output.name, output.shape]).toEqual(["logits", ["batch", 2]]);
  });
  test("a head that shares its weight gets one of its own", () => {
    const model = modelOf((g, x) => {
      const shared = g.addInitializer("shared", ones(128, 128));
      return op(g, "MatMul", [op(g, "Relu", [op(g, "MatMul", [op(g, "Flatten", [x]), shared])]), shared]);
    });
    const { graph, output, blocks } = replaceHead(model, { labels: ["a", "b"], seed: 1 });
    expect(graph.get("shared").constant!.dims).toEqual([128, 128]);
    expect(graph.get("classifier.weight").constant!.dims).toEqual([128, 2]);
    expect(output.shape).toEqual(["batch", 2]);
    expect(blocks.at(-1)!.parameters).toEqual(["classifier.weight"]);
  });
});

describe("a model without a classifier", () => {
  const conv = (g: Graph, x: Value) =>
    op(g, "Relu", [op(g, "Conv", [x, g.addInitializer("conv.weight", ones(6, 8, 1, 1))])]);
  test("image features are averaged over the image", () => {
    const { graph, output, blocks } = replaceHead(modelOf(conv), { labels: ["a", "b", "c"], seed: 1 });
    expect(graph.nodes.map((node) => node.op)).toEqual([
      "Conv",
      "Relu",
      "GlobalAveragePool",
      "Flatten",
      "Gemm",
    ]);
    expect(graph.get("classifier.weight").constant!.dims).toEqual([3, 6]);
    expect([output.name, output.shape]).toEqual(["logits", ["batch", 3]]);
    expect(blocks.at(-1)!.parameters).toEqual(["classifier.weight", "classifier.bias"]);
  });
  const tokens = (token: string) => (g: Graph, x: Value) => {
    const rows = op(g, "Reshape", [conv(g, x), g.addInitializer("shape", int64([3], [0, 16, 6]))]);
    return op(g, "Add", [rows, g.addInitializer(token, ones(1, 16, 6))]);
  };
  test("tokens are averaged", () => {
    const { graph, output } = replaceHead(modelOf(tokens("position")), { labels: ["a", "b"], seed: 1 });
    expect(graph.nodes.slice(-2).map((node) => node.op)).toEqual(["ReduceMean", "Gemm"]);
    expect(output.shape).toEqual(["batch", 2]);
  });
  test("a class token is taken where there is one", () => {
    const { graph, output } = replaceHead(modelOf(tokens("cls_token")), { labels: ["a", "b"], seed: 1 });
    expect(graph.nodes.slice(-2).map((node) => node.op)).toEqual(["Gather", "Gemm"]);
    expect(output.shape).toEqual(["batch", 2]);
  });
  test("an output of another rank is refused", () =>
    expect(() =>
      replaceHead(
        modelOf((g, x) => op(g, "Reshape", [conv(g, x), g.addInitializer("shape", int64([1], [-1]))])),
        { labels: ["a"], seed: 1 },
      ),
    ).toThrow(expect.objectContaining({ code: "models/no-features" })));
});

test("a trailing Softmax is stepped over, and said", () => {
  const model = linear();
  expect(stepBeforeSoftmax(model.graph)).toContain("Softmax");
  expect(model.graph.outputs[0]!.producer!.op).toBe("Gemm");
  expect(model.graph.nodes.some((node) => node.op === "Softmax")).toBe(false);
  expect(stepBeforeSoftmax(model.graph)).toBeUndefined();
});
