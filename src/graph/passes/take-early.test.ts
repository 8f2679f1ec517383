import { expect, test } from "vitest";
import { GraphBuilder } from "../builder.ts";
import { attend, fromHeads, intoHeads } from "../expansions/attention-core.ts";
import { Graph, type Value } from "../ir.ts";
import { interpret } from "../kernels/interpret.ts";
import { removeDead } from "./remove-dead.ts";
import { takeEarly } from "./take-early.ts";

const sizes = [2, 5, 8] as const;
type Make = (g: GraphBuilder, x: Value, weight: (...dims: number[]) => Value) => Value;

/** Not the same for any two steps. */
const wave = (count: number, step: number) =>
  Float64Array.from({ length: count }, (_, i) => Math.sin(step * i + 1));

/** A graph over x [batch, tokens, 8] before and after the pass, and what both compute. */
function both(make: Make) {
  const graph = new Graph("taken");
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", "float32", ["batch", "tokens", sizes[2]]);
  let made = 0;
  const weight = (...dims: number[]) => {
    const count = dims.reduce((n, dim) => n * dim, 1);
    return g.constant([...wave(count, 0.7 + made++)], "float32", dims);
  };
  const y = make(g, x, weight);
  graph.rename(y, "y");
  graph.addOutput(y);
  const after = graph.clone();
  takeEarly(after);
  removeDead(after);
  const count = sizes.reduce((n, size) => n * size, 1);
  const feeds = new Map([["x", { dtype: "float32" as const, dims: sizes, data: wave(count, 0.37) }]]);
  const results = [graph, after].map((one) => interpret(one, feeds).get("y")!);
  return { after, results: results as [(typeof results)[0], (typeof results)[0]] };
}

const at = (g: GraphBuilder, x: Value, place: number, axis = 1): Value =>
  g.op("Gather", [x, g.constant([place], "int64", [])], { axis });

const layer: Make = (g, x, weight) => {
  const side = () => g.add(g.product(x, weight(8, 8), { transB: true }), weight(8));
  const [q, k, v] = [side(), side(), side()].map((value) => intoHeads(g, value, 2, 4));
  const { y } = attend(g, { q: q!, k: k!, v: v! }, { scale: 0.5 });
  const norm = (value: Value) => g.op("LayerNormalization", [value, weight(8), weight(8)], { axis: -1 });
  const h = norm(g.add(fromHeads(g, y, 2, 4), x));
  return norm(g.add(g.matmul(g.op("com.microsoft.Gelu", [g.matmul(h, weight(8, 16))]), weight(16, 8)), h));
};

test("the layer below a first token computes that token, from keys and values of all", () => {
  const { after, results } = both((g, x, weight) => at(g, layer(g, x, weight), 0));
  expect(results[1]).toEqual(results[0]);
  const readByTakes = after.nodes.filter(({ op }) => op === "Gather").map(({ inputs }) => inputs[0]!.name);
  expect(new Set(readByTakes)).toEqual(new Set(["x"]));
  const tokens = (op: string) =>
    after.nodes.filter((node) => node.op === op).map((node) => node.outputs[0]!.shape![1]);
  expect(tokens("LayerNormalization")).toEqual([1, 1]);
  expect(tokens("Gelu")).toEqual([1]);
  expect(
    after.nodes.filter(({ outputs }) => outputs[0]!.shape!.includes("tokens")).map(({ op }) => op),
  ).toContain("Transpose");
});

test.each<[string, Make]>([
  ["the last token", (g, x, weight) => at(g, g.op("Tanh", [g.add(x, weight(8))]), -1)],
  ["a token that keeps its axis", (g, x) => g.op("Gather", [g.exp(x), g.ints([1])], { axis: 1 })],
  ["a broadcast side", (g, x) => at(g, g.mul(g.exp(x), g.sum(x, [1], true)), 2)],
  [
    "rows of a transposed side",
    (g, x, weight) => at(g, g.product(g.swap(x), weight(8, 3), { transA: true }), 3),
  ],
])("%s is taken first", (_, make) => {
  const { after, results } = both(make);
  expect(results[1]).toEqual(results[0]);
  const taken = after.nodes.find(({ op }) => op === "Gather")!;
  expect(["x", "transpose"]).toContain(taken.inputs[0]!.name);
});

test.each<[string, Make]>([
  ["a softmax over the tokens", (g, x) => at(g, g.op("Softmax", [x], { axis: 1 }), 0)],
  ["a sum that mixes tokens", (g, x) => at(g, g.op("CumSum", [x, g.constant([1], "int64", [])]), 2)],
  [
    "a value that is read whole as well",
    (g, x) => {
      const y = g.exp(x);
      return g.add(at(g, y, 0), g.sum(y, [1]));
    },
  ],
  ["a column of a product", (g, x, weight) => at(g, g.matmul(x, weight(8, 4)), 1, 2)],
  ["tokens merged with the batch", (g, x) => at(g, g.reshape(g.exp(x), [-1, 8]), 3, 0)],
])("%s stays", (_, make) => {
  const { after, results } = both(make);
  expect(results[1]).toEqual(results[0]);
  expect(after.nodes.find(({ op }) => op === "Gather")!.inputs[0]!.name).not.toBe("x");
});

test("several readers of one place read it together", () => {
  const { after, results } = both((g, x) => {
    const y = g.op("CumSum", [x, g.constant([1], "int64", [])]);
    return g.add(g.exp(at(g, y, 1)), g.add(at(g, g.neg(y), 1), g.sum(y, [1])));
  });
  expect(results[1]).toEqual(results[0]);
  expect(after.nodes.filter(({ op }) => op === "Gather")).toHaveLength(1);
});
