import type { AttributeInput } from "../../src/graph/builder/encode.ts";
import type { GraphBuilder } from "../../src/graph/builder.ts";
import type { Value } from "../../src/graph/ir.ts";
import type { GradCase } from "./grad-case.ts";
import { deformRanges } from "./imaging-sampling.ts";

/** A row whose sizes are all symbols, judged at two lists of shapes, such as "1x2x4x5, 1x3x3x2", with one graph. */
interface OpenCase extends Omit<GradCase, "shapes" | "symbolic"> {
  readonly sizes: readonly [string, string];
}

type Attributes = { readonly [key: string]: AttributeInput };

const open = (
  sizes: readonly [string, string],
  build: GradCase["build"],
  options: Omit<OpenCase, "sizes" | "build"> = {},
): OpenCase => ({ sizes, build, ...options });

/** Places off the pixels, where a reading has kinks, on both sides of the image's ends. */
const places = [-1.27, 0.31, -0.43, 0.83, 0.57, -0.12, 1.33, -0.71, 0.07];
const values = [-1.5, 0.5, 1.25, 2, -0.75, 0.25, 1.75];

const everyReading = Object.fromEntries(
  ["nearest", "linear", "cubic"].flatMap((mode) =>
    ["zeros", "border", "reflection"].flatMap((padding_mode) =>
      [0, 1].map((align_corners): [string, OpenCase] => [
        `GridSample ${mode}, ${padding_mode}, ${align_corners ? "corners" : "edges"} at the ends`,
        open(
          ["2x2x4x5, 2x3x2x2", "1x3x6x3, 1x2x4x2"],
          (g, x, grid) => g.op("GridSample", [x, grid], { mode, padding_mode, align_corners }),
          { at: [values, places], ...(mode === "nearest" ? { of: [0] } : {}) },
        ),
      ]),
    ),
  ),
);

/** An input whose sizes are known again, but for those given as 0. */
const known = (g: GraphBuilder, x: Value, sizes: readonly number[]): Value =>
  g.op("Reshape", [x, g.ints(sizes)]);

/** The sizes of the last axes of a value. */
const sizesFrom = (g: GraphBuilder, x: Value, start: number): Value => g.op("Shape", [x], { start });

const deformConv = (masked: boolean): OpenCase =>
  open(
    masked
      ? ["1x4x5x5, 4x2x3x2, 1x24x3x3, 4, 1x12x3x3", "2x4x6x4, 4x2x3x2, 2x24x3x3, 4, 2x12x3x3"]
      : ["2x2x4x5, 3x2x2x2, 2x8x3x4", "1x2x3x6, 3x2x2x2, 1x8x2x5"],
    (g, x, weight, offset, bias, mask) =>
      masked
        ? g.op("DeformConv", [x, known(g, weight, [4, 2, 3, 2]), offset, known(g, bias!, [4]), mask], {
            group: 2,
            offset_group: 2,
            strides: [2, 2],
            pads: [1, 1, 1, 1],
          })
        : g.op("DeformConv", [x, known(g, weight, [3, 2, 2, 2]), offset]),
    { within: deformRanges },
  );

const everyResize = Object.fromEntries(
  [
    { mode: "cubic", coordinate_transformation_mode: "half_pixel" },
    { mode: "cubic", coordinate_transformation_mode: "align_corners" },
    { mode: "cubic", coordinate_transformation_mode: "asymmetric", exclude_outside: 1 },
    { mode: "linear", coordinate_transformation_mode: "half_pixel", antialias: 1 },
    { mode: "linear", coordinate_transformation_mode: "half_pixel", antialias: 1, exclude_outside: 1 },
    { mode: "cubic", coordinate_transformation_mode: "half_pixel", antialias: 1 },
    { mode: "cubic", coordinate_transformation_mode: "half_pixel", antialias: 1, exclude_outside: 1 },
  ].map((attributes): [string, OpenCase] => [
    `Resize to another image's sizes: ${Object.entries(attributes).join(" ").replaceAll(",", " ")}`,
    open(
      ["1x2x4x7, 1x1x7x3", "1x1x9x3, 1x1x2x8"],
      (g, x, like) => {
        const sizes = g.concat([g.op("Shape", [x], { end: 2 }), sizesFrom(g, like, 2)], 0);
        return g.op("Resize", [x, undefined, undefined, sizes], attributes);
      },
      { of: [0], float64Tolerance: 1e-5 },
    ),
  ]),
);

/** A region whose corners are a multiple of an input, [8]. */
const cropped = (mode: string): OpenCase =>
  open(
    ["1x1x4x5, 8, 1x1x3x4", "1x2x5x3, 8, 1x1x2x3"],
    (g, x, corners, like) => {
      const sizes = g.concat([g.op("Shape", [x], { end: 2 }), sizesFrom(g, like!, 2)], 0);
      return g.op("Resize", [x, corners, undefined, sizes], {
        mode,
        coordinate_transformation_mode: "tf_crop_and_resize",
        extrapolation_value: 1.5,
      });
    },
    { of: [0], at: [values, [0, 0, 0.3, -0.2, 1, 1, 0.9, 1.1]], float64Tolerance: 1e-5 },
  );

const pool = (name: "LpPool" | "AveragePool" | "MaxPool", attributes: Attributes): OpenCase =>
  open(
    ["1x2x6x7, 1", "2x2x8x5, 1"],
    (g, x) => g.op(name, [known(g, x, [0, 2, 0, 0])], { kernel_shape: [3, 2], ...attributes }),
    { of: [0] },
  );

/** The places of the maxima go into the loss too, times the maxima. */
const unpooled = (attributes: Attributes): OpenCase =>
  open(
    ["1x2x5x6, 1", "2x1x8x3, 1"],
    (g, x) => {
      const names = ["largest", "places"];
      const { outputs } = g.node("MaxPool", [x], { kernel_shape: [3, 2], ...attributes }, names);
      const [largest, indices] = outputs as [Value, Value];
      return g.mul(largest, g.cast(indices, largest));
    },
    { of: [0] },
  );

export const openSizes: { readonly [title: string]: OpenCase } = {
  ...everyReading,
  "GridSample of volumes": open(
    ["1x2x3x2x4, 1x2x1x3x3", "2x1x2x3x3, 2x1x2x2x3"],
    (g, x, grid) => g.op("GridSample", [x, grid], { padding_mode: "border" }),
    { at: [values, places] },
  ),
  "GridSample of one pixel, corners aligned, reflected": open(
    ["1x1x1x4, 1x2x2x2", "1x1x3x1, 1x2x2x2"],
    (g, x, grid) => g.op("GridSample", [x, grid], { padding_mode: "reflection", align_corners: 1 }),
    { at: [values, places] },
  ),
  DeformConv: deformConv(false),
  "DeformConv in groups, masked": deformConv(true),
  "AffineGrid of another image's sizes": open(
    ["2x2x3, 2x3x4x5", "1x2x3, 1x1x2x3"],
    (g, theta, like) => g.op("AffineGrid", [known(g, theta, [0, 2, 3]), sizesFrom(g, like, 0)]),
    { of: [0] },
  ),
  "AffineGrid of volumes, corners aligned, one pixel": open(
    ["2x3x4, 2x1x2x3x4", "1x3x4, 1x1x1x3x1"],
    (g, theta, like) =>
      g.op("AffineGrid", [known(g, theta, [0, 3, 4]), sizesFrom(g, like, 0)], { align_corners: 1 }),
    { of: [0] },
  ),
  "Col2Im to another image's sizes": open(
    ["2x8x9, 1x1x5x6", "1x4x6, 2x1x4x5"],
    (g, x, like) =>
      g.op("Col2Im", [x, sizesFrom(g, like, 2), g.ints([2, 2])], {
        strides: [2, 2],
        pads: [0, 1, 1, 0],
        dilations: [1, 1],
      }),
    { of: [0] },
  ),
  ...everyResize,
  "Resize linear of a region that is computed": cropped("linear"),
  "Resize cubic of a region that is computed": cropped("cubic"),
  "Resize nearest of a region that is computed": cropped("nearest"),
  "Resize linear, keeping a ratio that is computed": open(
    ["1x2x4x6, 1x1x7x8", "1x1x5x4, 1x1x3x6"],
    (g, x, like) =>
      g.op("Resize", [x, undefined, undefined, sizesFrom(g, like, 2)], {
        mode: "linear",
        axes: [2, 3],
        keep_aspect_ratio_policy: "not_larger",
      }),
    { of: [0], float64Tolerance: 1e-5 },
  ),
  "ConvTranspose to a size that is asked for": open(
    ["1x2x3x4, 2x3x3x3, 3", "2x2x3x4, 2x3x3x3, 3"],
    (g, x, weight, bias) =>
      g.op("ConvTranspose", [x, known(g, weight, [2, 3, 3, 3]), known(g, bias!, [3])], {
        strides: [2, 2],
        output_shape: [6, 10],
        auto_pad: "SAME_UPPER",
      }),
  ),
  "LpPool, the same size under a stride": pool("LpPool", { auto_pad: "SAME_LOWER", strides: [2, 3] }),
  "LpPool, a last window past the end": pool("LpPool", { ceil_mode: 1, strides: [3, 2] }),
  "AveragePool, a last window past the end": pool("AveragePool", {
    ceil_mode: 1,
    strides: [3, 2],
    count_include_pad: 1,
    pads: [1, 0, 0, 1],
  }),
  "MaxPool, a last window past the end": pool("MaxPool", { ceil_mode: 1, strides: [3, 2] }),
  "MaxPool, the same size under a stride, its places read": unpooled({
    auto_pad: "SAME_UPPER",
    strides: [2, 2],
  }),
  "MaxPool, the same, counted column by column": unpooled({
    auto_pad: "SAME_LOWER",
    strides: [2, 2],
    storage_order: 1,
  }),
  "STFT of a step and a frame that are computed": open(
    ["2x17, 2x3, 6x1", "1x14, 4x1, 5x1"],
    (g, signal, like) => {
      const [step, frame] = [sizesFrom(g, like, 0), sizesFrom(g, like, 0)].map((sizes, i) =>
        g.add(g.squeeze(g.slice(sizes, [0], [i], [i + 1]), [0]), 2 * i),
      ) as [Value, Value];
      return g.op("STFT", [known(g, signal, [0, 0, 1]), step, undefined, frame]);
    },
    { of: [0], float64Tolerance: 1e-5 },
  ),
  "STFT with a window of any length": open(
    ["2x17, 6", "1x14, 5"],
    (g, signal, window) =>
      g.op("STFT", [known(g, signal, [0, 0, 1]), g.constant([2], "int64", []), window], { onesided: 0 }),
    { float64Tolerance: 1e-5 },
  ),
  "DFT along an axis that is computed": open(
    ["2x3x4x2, 1x1", "3x2x5x2, 1x2"],
    (g, x, like) => {
      const axis = g.squeeze(g.slice(sizesFrom(g, like, 0), [0], [1], [2]), [0]);
      return g.op("DFT", [known(g, x, [0, 0, 0, 2]), undefined, axis]);
    },
    { of: [0], float64Tolerance: 1e-5 },
  ),
};
