import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { GraphBuilder } from "../../graph/builder.ts";
import { Graph, type Value } from "../../graph/ir.ts";
import { normalize } from "../../graph/passes/normalize.ts";
import type { DataType } from "../../graph/tensor.ts";
import { readOnnx } from "./reader.ts";
import { writeOnnx } from "./writer.ts";
import { writtenForm } from "./written-opsets.ts";

/** x through whole numbers and back, and what comes behind. */
function quantised(dtype: DataType, opset: number, behind: (g: GraphBuilder, y: Value) => Value): Graph {
  const graph = new Graph("quantised", [["", opset]]);
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", "float32", [2, 3]);
  const [scale, zero] = [g.constant([0.02], "float32", []), g.constant([5], dtype, [])];
  const q = g.op("QuantizeLinear", [x, scale, zero]);
  const y = g.op("Relu", [behind(g, g.op("DequantizeLinear", [q, scale, zero]))], {}, ["y"]);
  graph.addOutput(y);
  return graph;
}

const opsetOf = (graph: Graph) => writtenForm(graph).opsets.get("");
const turned = (g: GraphBuilder, y: Value) => g.transpose(y, [1, 0]);

test("a graph of int8 from before opset 21 runs as it is written, a Transpose behind it", async () => {
  const graph = quantised("int8", 13, turned);
  normalize(graph);
  expect(graph.opsets.get("")).toBe(21);
  const bytes = writeOnnx(graph);
  expect(readOnnx(bytes).opsets.get("")).toBe(20);
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 4 });
  const x = new Tensor("float32", Float32Array.of(0.5, -0.7, 0.1, -0.2, 1.3, -1.9), [2, 3]);
  const { data } = (await session.run({ x }))["y"]!;
  expect(Array.from(data as Float32Array, (value) => Number(value.toFixed(4)))).toEqual([
    0.5, 0, 0, 1.3, 0.1, 0,
  ]);
  await session.release();
});

test("what needs opset 21, or is not of int8, is written in it", () => {
  expect(opsetOf(quantised("int8", 21, turned))).toBe(20);
  expect(opsetOf(quantised("uint8", 21, turned))).toBe(21);
  expect(opsetOf(quantised("int8", 22, turned))).toBe(22);
  const beside = (make: (g: GraphBuilder, y: Value) => Value) => opsetOf(quantised("int8", 21, make));
  expect(
    beside((g, y) => g.add(y, g.op("DequantizeLinear", [g.constant([1], "int4"), g.scalar(1, y)]))),
  ).toBe(21);
  const zero = (g: GraphBuilder) => g.constant([0], "int16", []);
  expect(
    beside((g, y) =>
      g.op("DequantizeLinear", [
        g.op("QuantizeLinear", [y, g.scalar(1, y), zero(g)]),
        g.scalar(1, y),
        zero(g),
      ]),
    ),
  ).toBe(21);
});

/** The same, with an int16 pair that opset 20 has not. */
const wide = (g: GraphBuilder, y: Value) => {
  const [scale, zero] = [g.constant([0.001], "float32", []), g.constant([0], "int16", [])];
  return g.op("DequantizeLinear", [g.op("QuantizeLinear", [y, scale, zero]), scale, zero]);
};
const passes: { readonly [name: string]: (g: GraphBuilder, y: Value) => Value } = {
  Transpose: turned,
  Reshape: (g, y) => g.reshape(y, [6]),
  Squeeze: (g, y) => g.squeeze(g.unsqueeze(y, [0]), [0]),
  Slice: (g, y) => g.slice(y, [1], [0], [2]),
  MaxPool: (g, y) => g.op("MaxPool", [g.unsqueeze(y, [0])], { kernel_shape: [2] }),
  "Transpose behind an Identity": (g, y) => turned(g, g.op("Identity", [y])),
};
const fed = Float32Array.of(0.5, -0.7, 0.1, -0.2, 1.3, -1.9);

async function outputOf(graph: Graph, graphOptimizationLevel: "disabled" | "all") {
  const session = await InferenceSession.create(writeOnnx(graph), {
    logSeverityLevel: 4,
    graphOptimizationLevel,
  });
  const { y } = await session.run({ x: new Tensor("float32", fed, [2, 3]) });
  await session.release();
  return [...(y!.data as Float32Array)];
}

test.each(Object.keys(passes).flatMap((name) => [21, 22].map((opset) => [name, opset] as const)))(
  "int8 before %s runs in opset %i too, with the same numbers",
  async (name, opset) => {
    const graph = quantised("int8", opset, (g, y) => wide(g, passes[name]!(g, y)));
    const read = readOnnx(writeOnnx(graph));
    expect(read.opsets.get("")).toBe(opset);
    expect(read.nodes.filter(({ domain }) => domain === "com.microsoft").map(({ op }) => op)).toEqual([
      "DequantizeLinear",
    ]);
    // without its optimiser ONNX Runtime takes the graph either way
    expect(await outputOf(graph, "all")).toEqual(await outputOf(graph, "disabled"));
    const bytes = quantised("uint8", opset, (g, y) => wide(g, passes[name]!(g, y)));
    expect(readOnnx(writeOnnx(bytes)).nodes.every(({ domain }) => domain === "")).toBe(true);
  },
);
