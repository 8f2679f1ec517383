import { expect, test } from "vitest";
import { GraphBuilder } from "../builder.ts";
import { Graph, type Value } from "../ir.ts";
import { interpret } from "../kernels/interpret.ts";
import { joinProducts } from "./join-products.ts";

const width = 32;
type Weight = (rows: number, columns: number) => Value;

/** The operators of a graph over x [batch, 5, 32] after the pass, and what it computes before and after. */
function both(make: (g: GraphBuilder, x: Value, weight: Weight) => readonly Value[]) {
  const graph = new Graph("joined");
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", "float32", ["batch", 5, width]);
  let made = 0;
  const wave = (count: number) => Array.from({ length: count }, (_, i) => Math.sin(0.7 * i + made++));
  const values = make(g, x, (rows, columns) => g.constant(wave(rows * columns), "float32", [rows, columns]));
  for (const [i, value] of values.entries()) {
    graph.rename(value, `y${i}`);
    graph.addOutput(value);
  }
  const after = graph.clone();
  joinProducts(after);
  const data = Float64Array.from({ length: 2 * 5 * width }, (_, i) => Math.cos(0.37 * i));
  const feeds = new Map([["x", { dtype: "float32" as const, dims: [2, 5, width], data }]]);
  const [found, joined] = [graph, after].map((one) => interpret(one, feeds));
  return { found, joined, ops: after.nodes.map(({ op }) => op) };
}

test("thin products of one left side become the columns of one", () => {
  const { found, joined, ops } = both((g, x, weight) => [
    g.product(x, weight(4, width), { transB: true }),
    g.neg(g.product(x, weight(2, width), { transB: true })),
    g.product(x, weight(3, width), { transB: true }),
  ]);
  expect(joined).toEqual(found);
  expect(ops).toEqual(["Concat", "FusedMatMul", "Split", "Neg"]);
});

test("so do those whose weights are not transposed, in a group of their own", () => {
  const { found, joined, ops } = both((g, x, weight) => [
    g.matmul(x, weight(width, 4)),
    g.product(x, weight(4, width), { transB: true }),
    g.matmul(x, weight(width, 1)),
    g.product(x, weight(1, width), { transB: true, alpha: 2 }),
  ]);
  expect(joined).toEqual(found);
  expect(ops).toEqual(["Concat", "MatMul", "Split", "FusedMatMul", "FusedMatMul"]);
});

test("wide ones, those of other left sides and weights that are computed stay", () => {
  const { found, joined, ops } = both((g, x, weight) => [
    g.matmul(x, weight(width, 16)),
    g.matmul(x, weight(width, 16)),
    g.matmul(g.neg(x), weight(width, 4)),
    g.matmul(x, g.neg(weight(width, 4))),
    g.matmul(x, weight(width, 4)),
  ]);
  expect(joined).toEqual(found);
  expect(ops).not.toContain("Split");
});
