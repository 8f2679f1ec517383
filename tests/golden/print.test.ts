import { expect, test } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { scan } from "../../src/graph/builder/scan.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { inferShapes } from "../../src/graph/infer.ts";
import { Graph } from "../../src/graph/ir.ts";
import { normalize } from "../../src/graph/passes/normalize.ts";
import { makeBatchSymbolic } from "../../src/graph/passes/symbolic-batch.ts";
import { print } from "../../src/graph/print.ts";
import { float32, int64 } from "../../src/graph/tensor.ts";

/** A small image classifier of opset 9 for one image, with a branch. */
function classifier(): Graph {
  const graph = new Graph("classifier", [
    ["", 9],
    ["com.microsoft", 1],
  ]);
  const x = graph.addInput("pixels", "float32", [1, 3, 8, 8]);
  const weight = graph.addInitializer("stem.weight", float32([4, 3, 3, 3], new Float32Array(108)));
  const stem = graph.addNode("Conv", [x, weight], {
    name: "stem",
    outputs: ["stem"],
    attributes: [
      ["pads", { type: "ints", value: [1, 1, 1, 1] }],
      ["strides", { type: "ints", value: [2, 2] }],
    ],
  }).outputs[0]!;
  const clipped = graph.addNode("Clip", [stem], {
    outputs: ["clipped"],
    attributes: [
      ["min", { type: "float", value: 0 }],
      ["max", { type: "float", value: 6 }],
    ],
  }).outputs[0]!;
  const pooled = graph.addNode("GlobalAveragePool", [clipped], { outputs: ["pooled"] }).outputs[0]!;
  const sizes = graph.addNode("Constant", [], {
    outputs: ["sizes"],
    attributes: [["value", { type: "tensor", value: int64([2], [1, 4]) }]],
  }).outputs[0]!;
  const flat = graph.addNode("Reshape", [pooled, sizes], { outputs: ["flat"] }).outputs[0]!;
  const training = graph.addInput("training", "bool", []);
  const branch = (op: string) => {
    const body = new Graph(op.toLowerCase(), graph.opsets, graph);
    body.addOutput(body.addNode(op, [flat], { outputs: [`${op.toLowerCase()}_out`] }).outputs[0]!);
    return { type: "graph", value: body } as const;
  };
  const features = graph.addNode("If", [training], {
    outputs: ["features"],
    attributes: [
      ["then_branch", branch("Relu")],
      ["else_branch", branch("Identity")],
    ],
  }).outputs[0]!;
  const gelu = graph.addNode("Gelu", [features], { domain: "com.microsoft", outputs: ["gelu"] }).outputs[0]!;
  const head = graph.addInitializer("head.weight", float32([2, 4], [1, 0, 0, 0, 0, 1, 0, 0.5]));
  const bias = graph.addInitializer("head.bias", float32([2], [0.5, -1]));
  const logits = graph.addNode("Gemm", [gelu, head, bias], {
    outputs: ["logits"],
    attributes: [["transB", { type: "int", value: 1 }]],
  }).outputs[0]!;
  graph.addOutput(logits);
  return graph;
}

test("a graph as it was read", async () => {
  const graph = classifier();
  inferShapes(graph);
  await expect(print(graph)).toMatchFileSnapshot("as-read.txt");
});

test("the same graph normalised, with a free batch", async () => {
  const graph = classifier();
  normalize(graph);
  expect(makeBatchSymbolic(graph, "pixels")).toEqual([]);
  await expect(print(graph)).toMatchFileSnapshot("normalised.txt");
});

test("a differentiated graph: gradients are called after what they belong to", async () => {
  const graph = new Graph("layers", [["", 21]]);
  const g = new GraphBuilder(graph);
  const ids = graph.addInput("ids", "int64", ["batch", "tokens"]);
  const target = graph.addInput("target", "int64", ["batch"]);
  const weight = (name: string, ...dims: number[]) =>
    graph.addInitializer(name, float32(dims, new Float32Array(dims.reduce((n, d) => n * d, 1))));
  const table = weight("table", 50, 8);
  const words = g.op("Gather", [table, ids], {}, ["words"]);
  const text = g.op("ReduceMean", [words, g.ints([1])], { keepdims: 0 }, ["text"]);
  const inner = [weight("inner.weight", 8, 8), weight("inner.bias", 8)];
  const hidden = g.op("Gemm", [text, ...inner], { transB: 1 }, ["hidden"]);
  const sum = g.op("Sum", [hidden, text, weight("frozen", 8)], {}, ["sum"]);
  const logits = g.op("Gemm", [sum, weight("head.weight", 3, 8)], { transB: 1 }, ["logits"]);
  graph.addOutput(g.op("SoftmaxCrossEntropyLoss", [logits, target], {}, ["loss"]));
  const parameters = ["table", "inner.weight", "inner.bias", "head.weight"];
  const { graph: backward } = differentiate(graph, { loss: "loss", parameters });
  await expect(print(backward)).toMatchFileSnapshot("differentiated.txt");
});

test("a differentiated Scan: in its body a gradient of what lies around it is a part of the whole", async () => {
  const graph = new Graph("steps", [["", 21]]);
  const g = new GraphBuilder(graph);
  const start = graph.addInput("start", "float32", [2, 3]);
  const rows = graph.addInput("rows", "float32", ["tokens", 2, 3]);
  const weight = graph.addInput("weight", "float32", [3]);
  const { states } = scan(g, [start], [rows], (b, [state], [row]) => ({
    states: [b.op("Tanh", [b.add(b.mul(state!, weight), row!)], {}, ["next"])],
    outputs: [],
  }));
  graph.addOutput(g.op("ReduceSum", [g.mul(states[0]!, weight)], { keepdims: 0 }, ["loss"]));
  const { graph: backward } = differentiate(graph, { loss: "loss", parameters: ["start", "weight"] });
  await expect(print(backward)).toMatchFileSnapshot("differentiated-scan.txt");
});
