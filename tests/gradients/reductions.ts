import type { OpName } from "../../src/graph/schemas.ts";
import { type CaseOptions, type GradCase, grad } from "./grad-case.ts";

/** A reduction over several axes at once, over all, and with its axes put away. */
const rows = (name: OpName, options: CaseOptions | readonly [number, number] = {}) => ({
  [`${name}, one axis from the end, kept`]: grad("2x3x4", (g, x) => g.op(name, [x, g.ints([-2])]), options),
  [`${name}, two axes, put away`]: grad(
    "2x3x4",
    (g, x) => g.op(name, [x, g.ints([0, 2])], { keepdims: 0 }),
    options,
  ),
  [`${name}, an axis named twice`]: grad(
    "2x3x4",
    (g, x) => g.op(name, [x, g.ints([1, -2])], { keepdims: 0 }),
    options,
  ),
  [`${name}, everything`]: grad("2x3", (g, x) => g.op(name, [x], { keepdims: 0 }), options),
});

const normalize = (name: OpName) => ({
  [`${name}, last axis`]: grad("2x3x4", (g, x) => g.op(name, [x], { axis: -1 })),
  [`${name}, another axis`]: grad("2x3x4", (g, x) => g.op(name, [x], { axis: 1 })),
  [`${name}, one class`]: grad("2x1", (g, x) => g.op(name, [x], { axis: 1 })),
});

export const reductions: { readonly [title: string]: GradCase } = {
  ...rows("ReduceSum"),
  ...rows("ReduceMean"),
  ...rows("ReduceMax"),
  ...rows("ReduceMin"),
  ...rows("ReduceProd"),
  ...rows("ReduceL1", { at: [[-2, -0.5, 0.5, 1]] }),
  ...rows("ReduceL2"),
  ...rows("ReduceLogSum", [0.5, 2]),
  ...rows("ReduceLogSumExp"),
  ...rows("ReduceSumSquare"),
  "ReduceSum of nothing": grad("0x3", (g, x) => g.op("ReduceSum", [x, g.ints([0])], { keepdims: 0 })),
  "ReduceSum, no axes named, none summed": grad("2x3", (g, x) =>
    g.op("ReduceSum", [x, undefined], { noop_with_empty_axes: 1 }),
  ),
  "ReduceSum, axes and sizes known at run time only": grad(
    "2x3x4",
    (g, x) => {
      const one = g.op("Shape", [x], { start: 0, end: 1 });
      return g.op("ReduceSum", [x, g.sub(one, 1)], { keepdims: 0 });
    },
    { symbolic: true },
  ),
  "ReduceMean, sizes unknown": grad("2x3x4", (g, x) => g.mean(x, [0, 2]), { symbolic: true }),
  "ReduceProd, one zero and two": grad("3x3", (g, x) => g.op("ReduceProd", [x, g.ints([1])]), {
    at: [[1.5, 0, 2, 0, 0, 3, 0.5, -1, 2]],
  }),
  ...normalize("Softmax"),
  ...normalize("LogSoftmax"),
};
