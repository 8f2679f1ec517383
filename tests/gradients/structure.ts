import { type GradCase, grad } from "./grad-case.ts";

export const structure: { readonly [title: string]: GradCase } = {
  "Transpose by default": grad("2x3x4", (g, x) => g.op("Transpose", [x])),
  "Transpose in a circle": grad("2x3x4", (g, x) => g.op("Transpose", [x], { perm: [1, 2, 0] })),
  Reshape: grad("2x6", (g, x) => g.reshape(x, [3, -1])),
  "Reshape, sizes unknown": grad("2x6", (g, x) => g.reshape(x, [3, -1]), { symbolic: true }),
  "Reshape of nothing": grad("0x6", (g, x) => g.reshape(x, [3, 0])),
  Flatten: grad("2x3x4", (g, x) => g.op("Flatten", [x], { axis: -1 })),
  "Squeeze, a negative axis": grad("2x1x3x1", (g, x) => g.squeeze(x, [-1])),
  "Squeeze, every axis of size 1": grad("2x1x3x1", (g, x) => g.op("Squeeze", [x])),
  "Unsqueeze, a negative axis": grad("2x3", (g, x) => g.unsqueeze(x, [0, -1])),
  Expand: grad("3x1", (g, x) => g.op("Expand", [x, g.ints([2, 1, 4])])),
  "Expand, sizes unknown": grad("3x1", (g, x) => g.op("Expand", [x, g.ints([2, 1, 4])]), { symbolic: true }),
  Tile: grad("2x3", (g, x) => g.op("Tile", [x, g.ints([2, 3])])),
  "Concat, a negative axis": grad("2x1, 2x3, 2x0", (g, ...all) => g.concat(all, -1)),
  "Concat, sizes unknown": grad("2x1, 2x3", (g, ...all) => g.concat(all, 1), { symbolic: true }),
  "Concat of one value twice": grad("2x3", (g, x) => g.concat([x, x], 0)),
  "Slice backwards from before the first element": grad("2x3", (g, x) =>
    g.slice(x, [1], [-5], [Number.MIN_SAFE_INTEGER], [-1]),
  ),
  "Split, parts without a name": grad(
    "2x6",
    (g, x) => g.node("Split", [x, g.ints([1, 3, 2])], { axis: -1 }, ["", "b", ""]).outputs[1]!,
  ),
  "Split, one part unread": grad("2x6", (g, x) => {
    const [first, , last] = g.node("Split", [x, g.ints([1, 3, 2])], { axis: -1 }, ["a", "b", "c"]).outputs;
    return [first!, last!];
  }),
  "Slice, several axes": grad("4x5x6", (g, x) => g.slice(x, [0, -1], [1, -4], [3, 1000])),
  "Slice, sizes unknown": grad("4x5", (g, x) => g.slice(x, [1], [1], [-1]), { symbolic: true }),
  "Slice, every second": grad("7x4", (g, x) => g.slice(x, [0], [1], [7], [2])),
  "Slice, backwards": grad("5x4", (g, x) => g.slice(x, [0, 1], [-1, 3], [-100, 0], [-2, -1])),
  "Slice to nothing": grad("4x3", (g, x) => g.slice(x, [0], [3], [1])),
  "Slice without axes": grad("4x3", (g, x) => g.op("Slice", [x, g.ints([1, 0]), g.ints([3, 2])])),
  "Pad with a number": grad("2x3, scalar", (g, x, value) => g.op("Pad", [x, g.ints([1, 0, 2, 1]), value])),
  "Pad, cutting one side off": grad("4x3", (g, x) => g.pad(x, [-1, 2, 0, -1])),
  "Pad along given axes": grad("2x3", (g, x) => g.op("Pad", [x, g.ints([1, 2]), undefined, g.ints([-1])])),
  "Pad by the edge": grad("2x3", (g, x) => g.op("Pad", [x, g.ints([1, 2, 1, 0])], { mode: "edge" })),
  "Pad by reflection": grad("3x4", (g, x) => g.op("Pad", [x, g.ints([1, 2, 1, 0])], { mode: "reflect" })),
  "Pad by wrapping": grad("3x4", (g, x) => g.op("Pad", [x, g.ints([1, 2, 1, 0])], { mode: "wrap" })),
  "Gather, rows twice": grad("5x3", (g, x) =>
    g.op("Gather", [x, g.constant([1, 4, 1, -1], "int64", [2, 2])]),
  ),
  "Gather, a middle axis": grad("2x5x3", (g, x) => g.op("Gather", [x, g.ints([0, 3, 3])], { axis: 1 })),
  "Gather, last axis, two axes of indices": grad("2x5", (g, x) =>
    g.op("Gather", [x, g.constant([0, 3, 3, 1], "int64", [2, 2])], { axis: -1 }),
  ),
  "Gather, one row": grad("2x5x3", (g, x) => g.op("Gather", [x, g.constant([-1], "int64", [])], { axis: 1 })),
  "Gather, one row, sizes unknown": grad(
    "2x5x3",
    (g, x) => g.op("Gather", [x, g.constant([1], "int64", [])], { axis: 1 }),
    { symbolic: true },
  ),
  "Gather, a row from the end that keeps its axis, sizes unknown": grad(
    "2x5x3",
    (g, x) => g.op("Gather", [x, g.ints([-2])], { axis: 1 }),
    { symbolic: true },
  ),
  GatherElements: grad("3x2", (g, x) =>
    g.op("GatherElements", [x, g.constant([0, 1, 0, 0, 2, -1, 1, 1], "int64", [4, 2])], { axis: 0 }),
  ),
  GatherND: grad("3x2x4", (g, x) => g.op("GatherND", [x, g.constant([0, 1, 2, 0, 0, 1], "int64", [3, 2])])),
  "GatherND within a batch": grad("2x3x4", (g, x) =>
    g.op("GatherND", [x, g.constant([1, 2, 0, 2], "int64", [2, 2, 1])], { batch_dims: 1 }),
  ),
  "Trilu, upper": grad("2x3x4", (g, x) => g.op("Trilu", [x])),
  "Trilu, lower and one more": grad("3x3", (g, x) =>
    g.op("Trilu", [x, g.constant([1], "int64", [])], { upper: 0 }),
  ),
  Range: grad(
    "scalar, scalar",
    (g, start, delta) => g.op("Range", [start, g.constant([7], "float32", []), delta]),
    { at: [[1.25], [0.75]] },
  ),
  "Range, downwards": grad(
    "scalar, scalar",
    (g, start, delta) => g.op("Range", [start, g.constant([-7], "float32", []), delta]),
    { at: [[1.25], [-2.4]] },
  ),
  "OneHot, the values": grad("2", (g, values) =>
    g.op("OneHot", [g.constant([0, 2, -1], "int64"), g.constant([4], "int64", []), values]),
  ),
  "OneHot, the values, along the first axis": grad("2", (g, values) =>
    g.op("OneHot", [g.constant([0, 2, 1, 3], "int64", [2, 2]), g.constant([4], "int64", []), values], {
      axis: 0,
    }),
  ),
};
