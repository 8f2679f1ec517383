import type { AttributeInput } from "../../src/graph/builder/encode.ts";
import type { GraphBuilder } from "../../src/graph/builder.ts";
import type { Value } from "../../src/graph/ir.ts";
import { type GradCase, grad } from "./grad-case.ts";

type Attributes = { readonly [key: string]: AttributeInput };

const byScales = (g: GraphBuilder, x: Value, scales: readonly number[], attributes: Attributes) =>
  g.op("Resize", [x, undefined, g.constant(scales)], attributes);

const toSizes = (g: GraphBuilder, x: Value, sizes: readonly number[], attributes: Attributes) =>
  g.op("Resize", [x, undefined, undefined, g.ints(sizes)], attributes);

/** Ways of placing pixels that need no region. */
export const coordinates = [
  "half_pixel",
  "half_pixel_symmetric",
  "pytorch_half_pixel",
  "align_corners",
  "asymmetric",
];

/** Each mode in each way of placing pixels, larger along one axis and smaller along the other. */
const everyCoordinate = Object.fromEntries(
  ["nearest", "linear", "cubic"].flatMap((mode) =>
    coordinates.map((coordinate_transformation_mode) => [
      `Resize ${mode}, ${coordinate_transformation_mode}`,
      grad("1x2x4x5", (g, x) => toSizes(g, x, [1, 2, 7, 3], { mode, coordinate_transformation_mode })),
    ]),
  ),
);

const everyRounding = Object.fromEntries(
  ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"].map((nearest_mode) => [
    `Resize nearest, ${nearest_mode}`,
    grad("1x2x4x6", (g, x) =>
      byScales(g, x, [1, 1, 2, 0.5], { nearest_mode, coordinate_transformation_mode: "half_pixel" }),
    ),
  ]),
);

/** Whole factors over axes that are long enough to be gone over by a stencil. */
const everyStencil = Object.fromEntries(
  ["linear", "cubic"].flatMap((mode) =>
    ["half_pixel", "asymmetric"].map((coordinate_transformation_mode) => [
      `Resize ${mode}, ${coordinate_transformation_mode}, of long axes`,
      grad("1x2x32x33", (g, x) => byScales(g, x, [1, 1, 3, 2], { mode, coordinate_transformation_mode })),
    ]),
  ),
);

/** To sizes that are known only at run time, larger along one axis and smaller along the other. */
const everyOpen = Object.fromEntries(
  [
    { mode: "linear", coordinate_transformation_mode: "half_pixel" },
    { mode: "linear", coordinate_transformation_mode: "half_pixel_symmetric" },
    { mode: "linear", coordinate_transformation_mode: "align_corners" },
    { mode: "linear", coordinate_transformation_mode: "pytorch_half_pixel" },
    { coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
    { coordinate_transformation_mode: "asymmetric", nearest_mode: "ceil" },
    { coordinate_transformation_mode: "half_pixel", nearest_mode: "round_prefer_ceil" },
    { coordinate_transformation_mode: "half_pixel", nearest_mode: "round_prefer_floor" },
  ].map((attributes) => [
    `Resize to the sizes of another value: ${Object.values(attributes).join(", ")}`,
    grad(
      // sizes whose weights are the same number in float32 and float64
      attributes.coordinate_transformation_mode === "align_corners" ? "1x2x4x5, 1x1x7x3" : "1x2x4x8, 1x1x8x4",
      (g, x, like) => {
        const sizes = [g.op("Shape", [x], { end: 2 }), g.op("Shape", [like], { start: 2 })];
        return g.op("Resize", [x, undefined, undefined, g.concat(sizes, 0)], attributes);
      },
      { symbolic: true, of: [0] },
    ),
  ]),
);

const region = (mode: string): GradCase =>
  grad("1x1x4x5", (g, x) =>
    g.op("Resize", [x, g.constant([0, 0, 0.3, -0.2, 1, 1, 0.9, 1.1]), undefined, g.ints([1, 1, 3, 4])], {
      mode,
      coordinate_transformation_mode: "tf_crop_and_resize",
      extrapolation_value: 1.5,
    }),
  );

const upscale = { coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" };

export const resizes: { readonly [title: string]: GradCase } = {
  ...everyCoordinate,
  ...everyRounding,
  "Resize nearest of a region": region("nearest"),
  "Resize linear of a region": region("linear"),
  "Resize cubic of a region": region("cubic"),
  "Resize linear, antialiased": grad("1x2x7x6", (g, x) =>
    byScales(g, x, [1, 1, 0.6, 0.4], { mode: "linear", antialias: 1 }),
  ),
  "Resize cubic, antialiased, nothing from outside": grad("1x2x7x6", (g, x) =>
    byScales(g, x, [1, 1, 0.6, 0.4], { mode: "cubic", antialias: 1, exclude_outside: 1 }),
  ),
  "Resize keeping the ratio": grad("1x2x4x6", (g, x) =>
    toSizes(g, x, [7, 8], { mode: "linear", axes: [2, 3], keep_aspect_ratio_policy: "not_larger" }),
  ),
  "Resize nearest, pixels repeated": grad("2x3x4x5", (g, x) => byScales(g, x, [1, 1, 2, 3], upscale)),
  "Resize nearest, channels and pixels repeated": grad("2x3x4", (g, x) => byScales(g, x, [1, 2, 3], upscale)),
  "Resize nearest, pixels repeated, sizes unknown": grad(
    "2x3x4x5",
    (g, x) => byScales(g, x, [1, 1, 2, 2], upscale),
    { symbolic: true },
  ),
  "Resize of one size, sizes unknown": grad("2x3", (g, x) => byScales(g, x, [1, 1], {}), { symbolic: true }),
  ...everyStencil,
  ...everyOpen,
  "Resize linear, pixels spread, sizes unknown": grad(
    "1x2x3x4",
    (g, x) => byScales(g, g.op("Reshape", [x, g.ints([0, 2, 0, 0])]), [1, 1, 2, 4], { mode: "linear" }),
    { symbolic: true },
  ),
  "Resize linear to half, sizes unknown": grad(
    "1x2x4x6",
    (g, x) => byScales(g, x, [1, 1, 0.5, 0.5], { mode: "linear" }),
    { symbolic: true },
  ),
  "Resize linear of open pixels that stay as many": grad(
    "1x1x2x2",
    (g, x) => byScales(g, x, [1, 1, 1.2, 1.4], { mode: "linear" }),
    { symbolic: true },
  ),
  "Resize linear of an axis that keeps its size beside an open one": grad(
    "2x2",
    (g, x) => byScales(g, g.op("Reshape", [x, g.ints([0, 2])]), [1.2, 1.4], { mode: "linear" }),
    { symbolic: true },
  ),
  "Resize linear, one open pixel spread": grad(
    "1x2x1x3",
    (g, x) => byScales(g, x, [1, 1, 2, 2], { mode: "linear" }),
    { symbolic: "pixels" },
  ),
  "Resize cubic, one open pixel spread": grad(
    "1x2x1x3",
    (g, x) => byScales(g, x, [1, 1, 2, 3], { mode: "cubic" }),
    { symbolic: "pixels" },
  ),
  "Resize linear, pixels spread, channels unknown": grad(
    "1x2x3x4",
    (g, x) => byScales(g, x, [1, 1, 2, 2], { mode: "linear" }),
    { symbolic: true },
  ),
  "Resize nearest, channels and pixels repeated, sizes unknown": grad(
    "2x3x4",
    (g, x) => byScales(g, x, [1, 2, 3], upscale),
    { symbolic: true },
  ),
  "Resize nearest to no pixel": grad("2x3", (g, x) => byScales(g, x, [0.4, 1], upscale)),
  "Resize linear of volumes": grad("1x1x3x2x4", (g, x) =>
    byScales(g, x, [1, 1, 2, 1.5, 0.5], { mode: "linear" }),
  ),
};
