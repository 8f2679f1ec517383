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

export const indexing: { readonly [title: string]: GradCase } = {
  ScatterElements: grad("3x3, 2x3", (g, x, updates) =>
    g.op("ScatterElements", [x, g.constant([1, 0, 2, 0, 2, 1], "int64", [2, 3]), updates], { axis: 0 }),
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
};
