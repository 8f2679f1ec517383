import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { writeOnnx } from "../../src/formats/onnx/writer.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { numberOf } from "../../src/graph/element-types.ts";
import { type Attribute, Graph, type Value } from "../../src/graph/ir.ts";
import { interpret } from "../../src/graph/kernels/interpret.ts";
import { normalize } from "../../src/graph/passes/normalize.ts";
import { tensorOf } from "../../src/graph/tensor.ts";

const numbers = [1, -2, 3, 4];

/** A graph of one operator over x: [4]. */
function graphOf(opset: number, make: (g: GraphBuilder, x: Value) => Value): Graph {
  const graph = new Graph("edge", [["", opset]]);
  const x = graph.addInput("x", "float32", [4]);
  const y = make(new GraphBuilder(graph), x);
  graph.rename(y, "y");
  graph.addOutput(y);
  return graph;
}

async function runtimeSays(graph: Graph): Promise<readonly unknown[]> {
  const session = await InferenceSession.create(writeOnnx(graph), { logSeverityLevel: 4 });
  const { y } = await session.run({ x: new Tensor("float32", Float32Array.from(numbers), [4]) });
  await session.release();
  // a number that rounds to nothing may do so from below
  return [y!.dims, Array.from(y!.data as Float32Array, (value) => value + 0)];
}

const last = (value: bigint) => tensorOf("int64", [1], BigInt64Array.of(value));
const nothing = (g: GraphBuilder, x: Value) => g.reshape(g.slice(x, [0], [0], [0]), [0, 3]);
const edges: { readonly [title: string]: (g: GraphBuilder, x: Value) => Value } = {
  "a slice back to the greatest int32": (g, x) => backTo(g, x, 2n ** 31n - 1n),
  "a slice back to the greatest int64": (g, x) => backTo(g, x, 2n ** 63n - 1n),
  "a slice back to the least int32": (g, x) => backTo(g, x, -(2n ** 31n)),
  "a slice back to a size beyond": (g, x) => backTo(g, x, 5n),
  "a mean of nothing": (g, x) => g.mean(nothing(g, x), [0]),
  "a mean of nothing at all": (g, x) => g.op("ReduceMean", [nothing(g, x)], { keepdims: 0 }),
};
function backTo(g: GraphBuilder, x: Value, end: bigint): Value {
  const to = g.graph.addInitializer("to", last(end));
  return g.op("Slice", [x, g.ints([-1]), to, g.ints([0]), g.ints([-1])]);
}

test.each(Object.entries(edges))("%s is what ONNX Runtime makes of it", async (_title, make) => {
  const graph = graphOf(21, make);
  const [dims, data] = await runtimeSays(graph);
  expect(graph.get("y").shape).toEqual(dims);
  const x = { dtype: "float32" as const, dims: [4], data: Float64Array.from(numbers) };
  const y = interpret(graph, new Map([["x", x]])).get("y")!;
  expect([y.dims, [...y.data]]).toEqual([dims, data]);
});

const typed: { readonly [title: string]: (g: GraphBuilder, x: Value) => Value } = {
  ...Object.fromEntries(
    (["HannWindow", "HammingWindow", "BlackmanWindow"] as const).map((op) => [
      `${op} of float16`,
      (g: GraphBuilder, x: Value) => {
        const size = g.constant([4], "int64", []);
        const half = g.op(op, [size], { output_datatype: numberOf("float16") });
        return g.mul(g.cast(half, "float32"), x);
      },
    ]),
  ),
  "PRelu of float64": (g, x) => g.cast(g.op("PRelu", [g.cast(x, "float64"), wide(g)]), "float32"),
  "PRelu of float16": (g, x) =>
    g.cast(g.op("PRelu", [g.cast(x, "float16"), g.constant([0.25], "float16")]), "float32"),
};
const wide = (g: GraphBuilder) => g.constant([0.1, 0.2, 0.3, 0.4], "float64");

// ONNX Runtime has no kernels for these: it writes them in other operators, but not where the graph is of a later opset
test.each(Object.entries(typed))("%s runs after normalisation as before", async (_title, make) => {
  const before = await runtimeSays(graphOf(17, make));
  for (const opset of [17, 22]) {
    const graph = graphOf(opset, make);
    normalize(graph);
    expect(await runtimeSays(graph)).toEqual(before);
  }
});

/** Sequences as a file has them, before lists that are known become the tensors. */
const lists: { readonly [title: string]: (g: GraphBuilder, x: Value) => Value } = {
  "parts of a split": (g, x) => op(g, "ConcatFromSequence", [split(g, x, 3)], { axis: 0 }),
  "parts of given sizes, the last read": (g, x) =>
    op(g, "SequenceAt", [op(g, "SplitToSequence", [x, g.ints([1, 3])], { axis: -1 }), place(g, -1)]),
  "single elements without their axis, stacked": (g, x) =>
    op(g, "ConcatFromSequence", [op(g, "SplitToSequence", [x], { keepdims: 0 })], { axis: 0, new_axis: 1 }),
  "one put before the last": (g, x) =>
    op(g, "ConcatFromSequence", [op(g, "SequenceInsert", [split(g, x, 2), x, place(g, -1)])], { axis: 0 }),
  "one put at the end": (g, x) =>
    op(g, "ConcatFromSequence", [op(g, "SequenceInsert", [split(g, x, 2), x])], { axis: 0 }),
  "the first one taken out": (g, x) =>
    op(g, "ConcatFromSequence", [op(g, "SequenceErase", [split(g, x, 1), place(g, 0)])], { axis: 0 }),
  "a list of what is given, counted": (g, x) =>
    g.mul(x, g.cast(op(g, "SequenceLength", [op(g, "SequenceConstruct", [x, x, x])]), "float32")),
  "each one turned round": (g, x) => {
    const body = new Graph("each", g.graph.opsets, g.graph);
    const element = body.addInput("element", "float32", ["n"]);
    body.addOutput(new GraphBuilder(body).op("Neg", [element]));
    return op(g, "ConcatFromSequence", [op(g, "SequenceMap", [split(g, x, 3)], { body })], { axis: 0 });
  },
  "the content of an optional": (g, x) => op(g, "OptionalGetElement", [op(g, "Optional", [x])]),
};
const place = (g: GraphBuilder, at: number) => g.constant([at], "int64", []);
const split = (g: GraphBuilder, x: Value, size: number) =>
  op(g, "SplitToSequence", [x, place(g, size)], { axis: 0 });
function op(
  { graph }: GraphBuilder,
  name: string,
  inputs: readonly Value[],
  attributes: { readonly [key: string]: number | Graph } = {},
): Value {
  const encoded = Object.entries(attributes).map(([key, value]): [string, Attribute] => [
    key,
    typeof value === "number" ? { type: "int", value } : { type: "graph", value },
  ]);
  const [output] = graph.addNode(name, inputs, { attributes: encoded }).outputs;
  if (tensorGivers.has(name)) output!.dtype = name === "SequenceLength" ? "int64" : "float32";
  return output!;
}
const tensorGivers = new Set(["ConcatFromSequence", "SequenceAt", "SequenceLength", "OptionalGetElement"]);

test.each(Object.entries(lists))("%s: float64 says what ONNX Runtime says", async (_title, make) => {
  const graph = graphOf(17, make);
  const x = { dtype: "float32" as const, dims: [4], data: Float64Array.from(numbers) };
  const y = interpret(graph, new Map([["x", x]])).get("y")!;
  expect([y.dims, [...y.data]]).toEqual(await runtimeSays(graph));
});
