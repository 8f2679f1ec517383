import { expect, test } from "vitest";
import { GraphBuilder } from "../builder.ts";
import { Graph } from "../ir.ts";
import { interpret } from "../kernels/interpret.ts";
import { float32 } from "../tensor.ts";
import { plainProducts } from "./plain-products.ts";

const numbers = (count: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(1 + 0.7 * i));

/** Attention-like products, a dense layer over a table that also gives rows, and an output of the fused operator itself. */
function network(): Graph {
  const graph = new Graph("products", [
    ["", 21],
    ["com.microsoft", 1],
  ]);
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", "float32", ["batch", 2, 3]);
  const table = graph.addInitializer("table", float32([4, 3], numbers(12)));
  const square = graph.addInitializer("square", float32([2, 2], numbers(4)));
  const scores = g.product(x, x, { transB: true, alpha: 0.5 });
  const left = g.product(square, scores, { transA: true });
  const rows = g.op("Gather", [table, g.constant([0, 3], "int64")], { axis: 0 });
  graph.addOutput(g.op("com.microsoft.FusedMatMul", [g.matmul(left, x), table], { transB: 1 }, ["logits"]));
  graph.addOutput(g.op("com.microsoft.FusedMatMul", [rows, table], { transB: 1, alpha: 2 }, ["words"]));
  return graph;
}

const run = (graph: Graph) => {
  const x = { dtype: "float32", dims: [2, 2, 3], data: Float64Array.from(numbers(12)) } as const;
  return [...interpret(graph, new Map([["x", x]]))].map(([name, { dims, data }]) => [name, dims, [...data]]);
};

test("products of ONNX Runtime's domain become MatMul and give the same", () => {
  const graph = network();
  const before = run(graph);
  plainProducts(graph);
  expect(graph.nodes.filter(({ domain }) => domain !== "")).toEqual([]);
  const after = run(graph);
  expect(after.map(([name, dims]) => [name, dims])).toEqual(before.map(([name, dims]) => [name, dims]));
  after.forEach(([, , data], i) => {
    (data as number[]).forEach((value, j) => {
      expect(value).toBeCloseTo((before[i]![2] as number[])[j]!, 6);
    });
  });
});

test("a constant is transposed as it is written, but for a table that is looked up as well", () => {
  const graph = network();
  plainProducts(graph);
  const names = [...graph.initializers].map(({ name }) => name);
  expect(names.filter((name) => /table|square/.test(name)).sort()).toEqual(["square_transposed", "table"]);
  expect(graph.get("table").consumers.map(({ op }) => op)).toEqual(["Gather", "Transpose", "Transpose"]);
});

test("a product whose operand has an unknown number of axes stays", () => {
  const graph = new Graph("open", [
    ["", 21],
    ["com.microsoft", 1],
  ]);
  const x = graph.addInput("x", "float32");
  const y = graph.addNode("FusedMatMul", [x, x], {
    domain: "com.microsoft",
    attributes: [["transB", { type: "int", value: 1 }]],
    outputs: ["y"],
  });
  graph.addOutput(y.outputs[0]!);
  plainProducts(graph);
  expect(graph.nodes.map(({ op }) => op)).toEqual(["FusedMatMul"]);
});

test("a value that is called like a transpose is another value", () => {
  const graph = network();
  const square = graph.addInitializer("square_transposed", float32([2, 2], [9, 9, 9, 9]));
  graph.addOutput(graph.addNode("Neg", [square], { outputs: ["nines"] }).outputs[0]!);
  const before = run(graph);
  plainProducts(graph);
  const words = (all: typeof before) =>
    all.map(([name, , data]) => [name, (data as number[]).map((v) => v.toFixed(4))]);
  expect(words(run(graph))).toEqual(words(before));
});
