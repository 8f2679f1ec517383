import type { GraphBuilder } from "../../src/graph/builder.ts";
import type { Value } from "../../src/graph/ir.ts";
import { type GradCase, grad } from "./grad-case.ts";

/** The places [1, 0, 1, 1] of each of two rows, or of each column. */
const twice = (g: GraphBuilder, data: Value, updates: Value, reduction: string, axis = 1) =>
  g.op("ScatterElements", [data, g.constant([1, 0, 1, -2, 2, 1, 1, 0], "int64", [2, 4]), updates], {
    axis,
    reduction,
  });
const rowsTwice = (g: GraphBuilder, data: Value, updates: Value, reduction: string) =>
  g.op("ScatterND", [data, g.constant([1, -1, 1], "int64", [3, 1]), updates], { reduction });

/** Distinct numbers, so that every maximum is one element's. */
const distinct = [
  [0.5, -1, 1.5, 0.25, -0.75, 2],
  [1.25, -2, 1.75, 0.125, -0.5, 1, 0.75, -1.5],
];

/** A number without axes. */
const axisAt = (g: GraphBuilder, axis: number) => g.constant([axis], "int64", []);
const bools = (g: GraphBuilder, values: readonly number[]) => g.constant(values, "bool");
/** The operator came with opset 26. */
function product(g: GraphBuilder, x: Value, axis: number, attributes = {}): Value {
  g.graph.opsets.set("", 26);
  return g.op("CumProd", [x, axisAt(g, axis)], attributes);
}

export const indexing: { readonly [title: string]: GradCase } = {
  ScatterElements: grad("3x3, 2x3", (g, x, updates) =>
    g.op("ScatterElements", [x, g.constant([1, 0, 2, 0, 2, 1], "int64", [2, 3]), updates], { axis: 0 }),
  ),
  "ScatterElements, the last of a place stays": grad("2x3, 2x4", (g, x, updates) =>
    twice(g, x, updates, "none"),
  ),
  "ScatterElements, the last of a place stays, sizes unknown": grad(
    "2x3, 2x4",
    (g, x, updates) => twice(g, x, updates, "none"),
    { symbolic: true },
  ),
  "ScatterElements, adding": grad("3x3, 2x3", (g, x, updates) =>
    g.op("ScatterElements", [x, g.constant([1, 0, 2, 1, 0, 2], "int64", [2, 3]), updates], {
      axis: 0,
      reduction: "add",
    }),
  ),
  "ScatterElements, multiplying": grad("2x3, 2x4", (g, x, updates) => twice(g, x, updates, "mul", -1)),
  "ScatterElements, multiplying by zeros": grad("2x3, 2x4", (g, x, updates) => twice(g, x, updates, "mul"), {
    at: [
      [1, 0, 2, -1, 3, 0.5],
      [0, 2, 1.5, 0, 0, 0, 2, 3],
    ],
  }),
  "ScatterElements, the greatest": grad("2x3, 2x4", (g, x, updates) => twice(g, x, updates, "max"), {
    at: distinct,
  }),
  "ScatterElements, the least, sizes unknown": grad(
    "2x3, 2x4",
    (g, x, updates) => twice(g, x, updates, "min"),
    { at: distinct, symbolic: true },
  ),
  ScatterND: grad("4x3, 2x3", (g, x, updates) =>
    g.op("ScatterND", [x, g.constant([3, 1], "int64", [2, 1]), updates]),
  ),
  "ScatterND of nothing": grad("4x3, 0x3", (g, x, updates) =>
    g.op("ScatterND", [x, g.constant([], "int64", [0, 1]), updates]),
  ),
  "ScatterND, the last of a place stays": grad("3x2, 3x2", (g, x, updates) =>
    rowsTwice(g, x, updates, "none"),
  ),
  "ScatterND, the last of a place stays, sizes unknown": grad(
    "3x2, 3x2",
    (g, x, updates) => rowsTwice(g, x, updates, "none"),
    { symbolic: true },
  ),
  "ScatterND, adding": grad("4x3, 2x3", (g, x, updates) =>
    g.op("ScatterND", [x, g.constant([1, 1], "int64", [2, 1]), updates], { reduction: "add" }),
  ),
  "ScatterND, multiplying": grad("3x2, 3x2", (g, x, updates) => rowsTwice(g, x, updates, "mul")),
  "ScatterND, multiplying by zeros": grad("3x2, 3x2", (g, x, updates) => rowsTwice(g, x, updates, "mul"), {
    at: [
      [2, 3, 0, -1, 0.5, 1],
      [0, 0, 2, 0, 1.5, 0],
    ],
  }),
  "ScatterND, the greatest, sizes unknown": grad(
    "3x2, 3x2",
    (g, x, updates) => rowsTwice(g, x, updates, "max"),
    { at: distinct, symbolic: true },
  ),
  "ScatterND, the least": grad("3x2, 3x2", (g, x, updates) => rowsTwice(g, x, updates, "min"), {
    at: distinct,
  }),
  CumSum: grad("2x3x4", (g, x) => g.op("CumSum", [x, axisAt(g, 1)])),
  "CumSum, backwards, a negative axis": grad("2x5", (g, x) =>
    g.op("CumSum", [x, axisAt(g, -1)], { reverse: 1 }),
  ),
  "CumSum, exclusive, sizes unknown": grad(
    "2x5",
    (g, x) => g.op("CumSum", [x, axisAt(g, 0)], { exclusive: 1 }),
    { symbolic: true },
  ),
  "CumSum, exclusive, backwards": grad("5x1x2", (g, x) =>
    g.op("CumSum", [x, axisAt(g, 0)], { exclusive: 1, reverse: 1 }),
  ),
  CumProd: grad("2x3x4", (g, x) => product(g, x, 1)),
  "CumProd past zeros": grad("4x4", (g, x) => product(g, x, -1), {
    at: [[1, 0, 2, 3, 0, 1, 0, 2, 1, 2, 3, -1, 0.5, 3, 2, 0]],
  }),
  "CumProd past zeros, exclusive": grad("4x4", (g, x) => product(g, x, -1, { exclusive: 1 }), {
    at: [[1, 0, 2, 3, 0, 1, 0, 2, 1, 2, 3, -1, 0.5, 3, 2, 0]],
  }),
  "CumProd past zeros, backwards, sizes unknown": grad("4x4", (g, x) => product(g, x, 0, { reverse: 1 }), {
    at: [[1, 0, 2, 3, 0, 1, 0, 2, 1, 2, 3, -1, 0.5, 3, 2, 0]],
    symbolic: true,
  }),
  "CumProd, exclusive, backwards": grad("4x2", (g, x) => product(g, x, 0, { exclusive: 1, reverse: 1 })),
  "TopK, the greatest": grad("3x7", (g, x) => g.op("TopK", [x, g.ints([3])])),
  "TopK, the least, a middle axis, sizes unknown": grad(
    "2x7x3",
    (g, x) => g.op("TopK", [x, g.ints([2])], { axis: -2, largest: 0 }),
    { symbolic: true },
  ),
  "TopK, unsorted, with its places": grad("2x6", (g, x) => {
    const [values, places] = g.node("TopK", [x, g.ints([4])], { sorted: 0 }, ["values", "places"]).outputs;
    // the order is the runtime's own, so that only a sum can be compared
    return g.sum(g.mul(values!, g.cast(places!, values!)), [1]);
  }),
  "TopK of nothing": grad("2x3", (g, x) => g.op("TopK", [x, g.ints([0])])),
  "Compress along an axis": grad("2x4x3", (g, x) =>
    g.op("Compress", [x, bools(g, [1, 0, 1, 1])], { axis: 1 }),
  ),
  "Compress, a short condition, a negative axis, sizes unknown": grad(
    "2x4",
    (g, x) => g.op("Compress", [x, bools(g, [0, 1])], { axis: -1 }),
    { symbolic: true },
  ),
  "Compress by what it reads": grad("3x4", (g, x) =>
    g.op("Compress", [x, g.greater(g.reshape(x, [-1]), 0.25)]),
  ),
  "Compress, all elements, sizes unknown": grad(
    "2x3",
    (g, x) => g.op("Compress", [x, bools(g, [0, 1, 1, 0, 1])]),
    { symbolic: true },
  ),
  "Compress to nothing": grad("2x3", (g, x) => g.op("Compress", [x, bools(g, [0, 0])], { axis: 0 })),
  ReverseSequence: grad("4x3x2", (g, x) => g.op("ReverseSequence", [x, g.ints([4, 1, 3])])),
  "ReverseSequence, batch first, sizes unknown": grad(
    "2x4",
    (g, x) => g.op("ReverseSequence", [x, g.ints([0, 3])], { batch_axis: 0, time_axis: 1 }),
    { symbolic: true },
  ),
  "Hardmax beside what has a slope": grad("2x4", (g, x) => g.mul(g.op("Hardmax", [x]), x)),
  "TensorScatter, from each sample's place on": grad("2x2x4x3, 2x2x2x3", (g, cache, update) =>
    g.op("TensorScatter", [cache, update, g.ints([2, 0])]),
  ),
  "TensorScatter in a circle, sizes unknown": grad(
    "2x4x2, 2x3x2",
    (g, cache, update) =>
      g.op("TensorScatter", [cache, update, g.ints([3, 1])], { mode: "circular", axis: -2 }),
    { symbolic: true },
  ),
  "TensorScatter from the begin": grad("1x4, 1x2", (g, cache, update) =>
    g.op("TensorScatter", [cache, update], { axis: 1 }),
  ),
};
