import type { GraphBuilder } from "../../src/graph/builder.ts";
import type { Value } from "../../src/graph/ir.ts";
import { type GradCase, grad } from "./grad-case.ts";
import { resizes } from "./imaging-resize.ts";
import { sampling } from "./imaging-sampling.ts";

/** Regions of which one lies outside the image and one is turned inside out. */
const maxRoiPool = (g: GraphBuilder, x: Value, spatial_scale: number) => {
  const corners = [0, 0, 0, 3, 3, 1, 1, 0, 9, 4, 0, 5, 5, 1, 1, 1, -9, -9, -7, -8];
  const rois = g.constant(corners, "float32", [4, 5]);
  return g.op("MaxRoiPool", [x, rois], { pooled_shape: [2, 3], spatial_scale });
};

/** Rounded up there are two windows along each axis, of which the second of the first axis begins in the padding. */
const pastEnd = (g: GraphBuilder, x: Value, name: "MaxPool" | "AveragePool") =>
  g.op(name, [x], { kernel_shape: [2, 2], strides: [3, 3], pads: [0, 0, 1, 0], ceil_mode: 1 });

export const imaging: { readonly [title: string]: GradCase } = {
  ...resizes,
  ...sampling,
  "DepthToSpace, depth first": grad("2x8x2x3", (g, x) => g.op("DepthToSpace", [x], { blocksize: 2 })),
  "DepthToSpace, columns first": grad("1x18x2x1", (g, x) =>
    g.op("DepthToSpace", [x], { blocksize: 3, mode: "CRD" }),
  ),
  "DepthToSpace, sizes unknown": grad("2x4x2x3", (g, x) => g.op("DepthToSpace", [x], { blocksize: 2 }), {
    symbolic: true,
  }),
  SpaceToDepth: grad("2x2x4x6", (g, x) => g.op("SpaceToDepth", [x], { blocksize: 2 })),
  "SpaceToDepth, columns first": grad(
    "1x2x4x6",
    (g, x) => g.op("SpaceToDepth", [x], { blocksize: 2, mode: "CRD" }),
    { notInRuntime: "its mode is newer than the runtime" },
  ),
  "LpPool, p = 2": grad("2x2x5x6", (g, x) =>
    g.op("LpPool", [x], { kernel_shape: [2, 3], strides: [2, 1], pads: [1, 0, 0, 2] }),
  ),
  "LpPool, p = 1, dilated": grad("1x2x7", (g, x) =>
    g.op("LpPool", [x], { kernel_shape: [3], p: 1, dilations: [2] }),
  ),
  "LpPool, p = 3, the same size": grad("1x2x6x7", (g, x) =>
    g.op("LpPool", [x], { kernel_shape: [3, 2], p: 3, auto_pad: "SAME_UPPER", strides: [2, 2] }),
  ),
  "LpPool of images of any size": grad(
    "1x2x6x7",
    (g, x) => g.op("LpPool", [x], { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 0, 0, 1] }),
    { symbolic: "pixels" },
  ),
  "LpPool, a last window past the end": grad("1x1x6x7", (g, x) =>
    g.op("LpPool", [x], { kernel_shape: [3, 3], ceil_mode: 1, strides: [2, 2] }),
  ),
  "MaxPool, the same size, dilated": grad("1x1x5x6", (g, x) =>
    g.op("MaxPool", [x], { kernel_shape: [2, 3], dilations: [2, 1], auto_pad: "SAME_UPPER" }),
  ),
  "MaxPool, windows past the end along one axis": grad("1x2x3x4", (g, x) => pastEnd(g, x, "MaxPool")),
  "AveragePool, windows past the end along one axis": grad("1x2x3x4", (g, x) => pastEnd(g, x, "AveragePool")),
  MaxUnpool: grad("1x2x2x2", (g, x) =>
    g.op("MaxUnpool", [x, g.constant([0, 3, 8, 14, 16, 19, 25, 31], "int64", [1, 2, 2, 2])], {
      kernel_shape: [2, 2],
      strides: [2, 2],
    }),
  ),
  "MaxUnpool into a larger output, whose places the indices count": grad("1x1x2x2", (g, x) =>
    g.op("MaxUnpool", [x, g.constant([0, 8, 11, 23], "int64", [1, 1, 2, 2]), g.ints([1, 1, 5, 5])], {
      kernel_shape: [2, 2],
      strides: [2, 2],
    }),
  ),
  "MaxUnpool, pixels unknown": grad(
    "1x2x2x2",
    (g, x) => {
      const indices = g.constant([0, 3, 8, 14, 16, 19, 25, 31], "int64", [1, 2, 2, 2]);
      return g.op("MaxUnpool", [x, indices], { kernel_shape: [3, 2], pads: [1, 0, 0, 0], strides: [2, 2] });
    },
    { symbolic: "pixels" },
  ),
  "MaxUnpool, batch unknown": grad(
    "1x2x2x2",
    (g, x) => {
      const known = g.op("Reshape", [x, g.ints([0, 2, 2, 2])]);
      const indices = g.constant([0, 3, 8, 14, 16, 19, 25, 31], "int64", [1, 2, 2, 2]);
      return g.op("MaxUnpool", [known, indices], { kernel_shape: [2, 2], strides: [2, 2] });
    },
    { symbolic: true },
  ),
  "Col2Im, batch unknown": grad(
    "2x4x4",
    (g, x) => g.op("Col2Im", [g.op("Reshape", [x, g.ints([0, 4, 4])]), g.ints([3, 3]), g.ints([2, 2])]),
    { symbolic: true },
  ),
  "AffineGrid, batch unknown": grad(
    "2x2x3",
    (g, theta) => {
      const size = g.concat([g.op("Shape", [theta], { end: 1 }), g.ints([3, 4, 5])], 0);
      return g.op("AffineGrid", [theta, size], { align_corners: 1 });
    },
    { symbolic: true },
  ),
  Col2Im: grad("2x8x4", (g, x) =>
    g.op("Col2Im", [x, g.ints([5, 5]), g.ints([2, 2])], {
      strides: [2, 3],
      pads: [0, 1, 0, 1],
      dilations: [1, 2],
    }),
  ),
  AffineGrid: grad("2x2x3", (g, theta) => g.op("AffineGrid", [theta, g.ints([2, 3, 4, 5])])),
  "AffineGrid in three dimensions, corners aligned": grad("1x3x4", (g, theta) =>
    g.op("AffineGrid", [theta, g.ints([1, 3, 2, 4, 3])], { align_corners: 1 }),
  ),
  CenterCropPad: grad("5x4x3", (g, x) => g.op("CenterCropPad", [x, g.ints([2, 7, 3])])),
  "CenterCropPad of chosen axes": grad("5x4x3", (g, x) =>
    g.op("CenterCropPad", [x, g.ints([2, 6])], { axes: [0, -1] }),
  ),
  MaxRoiPool: grad("2x2x6x7", (g, x) => maxRoiPool(g, x, 1)),
  "MaxRoiPool, sizes unknown": grad("2x2x6x7", (g, x) => maxRoiPool(g, x, 0.5), { symbolic: true }),
};
