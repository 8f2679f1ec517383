import type { GraphBuilder } from "../../src/graph/builder.ts";
import type { Value } from "../../src/graph/ir.ts";
import { type GradCase, grad } from "./grad-case.ts";

/** Places off the pixels, where a reading has kinks, on both sides of the image's ends. */
const places = [-1.27, 0.31, -0.43, 0.83, 0.57, -0.12, 1.33, -0.71, 0.07];

const sample =
  (attributes: { readonly [key: string]: string | number }) => (g: GraphBuilder, x: Value, grid: Value) =>
    g.op("GridSample", [x, grid], attributes);

const everyReading = Object.fromEntries(
  ["nearest", "linear", "cubic"].flatMap((mode) =>
    ["zeros", "border", "reflection"].flatMap((padding_mode) =>
      [0, 1].map((align_corners): [string, GradCase] => [
        `GridSample ${mode}, ${padding_mode}, ${align_corners ? "corners" : "edges"} at the ends`,
        {
          ...grad("2x2x4x5, 2x3x2x2", sample({ mode, padding_mode, align_corners })),
          at: [[-1.5, 0.5, 1.25, 2, -0.75, 0.25, 1.75], places],
          ...(mode === "nearest" ? { of: [0] } : {}),
        },
      ]),
    ),
  ),
);

const regions = (g: GraphBuilder) =>
  g.constant([0, 0, 4, 3, 1.25, 0.5, 6.5, 5.75, -2, -1, 1.5, 9], "float32", [3, 4]);

const align = (attributes: { readonly [key: string]: string | number }) => (g: GraphBuilder, x: Value) =>
  g.op("RoiAlign", [x, regions(g), g.ints([0, 1, 0])], {
    output_height: 2,
    output_width: 3,
    spatial_scale: 0.75,
    ...attributes,
  });

/** Regions that the run computes, with as many samples as fit: one of no pixel, one turned inside out. */
const alignComputed = (attributes: { readonly [key: string]: string | number }) =>
  grad(
    "2x2x5x6, 4x4",
    (g: GraphBuilder, x: Value, rois: Value) =>
      g.op("RoiAlign", [x, rois, g.ints([0, 1, 0, 1])], {
        output_height: 2,
        output_width: 3,
        spatial_scale: 0.75,
        ...attributes,
      }),
    {
      at: [
        [-1.5, 0.5, 1.25, 2, -0.75, 0.25, 1.75],
        [0, 0, 4, 3, 1.25, 0.5, 6.5, 5.75, -2, -1, 1.5, 9, 3, 2, 2.5, 1],
      ],
      of: [0],
      float64Tolerance: 1e-5,
    },
  );

/** Of pixels, weights, places off the bends, bias and mask. */
export const deformRanges = [
  [-2, 2],
  [-2, 2],
  [0.1, 0.9],
  [-1, 1],
  [0, 1],
] as const;
const deform =
  (attributes: { readonly [key: string]: number | readonly number[] }) =>
  (g: GraphBuilder, x: Value, weight: Value, offset: Value, ...more: Value[]) =>
    g.op("DeformConv", [x, weight, offset, ...more], attributes);

export const sampling: { readonly [title: string]: GradCase } = {
  ...everyReading,
  "GridSample of volumes": {
    ...grad("1x2x3x2x4, 1x2x1x3x3", sample({ padding_mode: "border" })),
    at: [[-1.5, 0.5, 1.25, 2, -0.75, 0.25, 1.75], places],
  },
  "GridSample, batch and places unknown": {
    ...grad("2x2x4x5, 2x3x2x2", (g, x, grid) => {
      const known = g.op("Reshape", [x, g.ints([0, 2, 4, 5])]);
      return g.op("GridSample", [known, grid]);
    }),
    at: [[-1.5, 0.5, 1.25, 2, -0.75, 0.25, 1.75], places],
    symbolic: true,
  },
  "RoiAlign, mean of two samples": grad("2x2x5x6", align({ sampling_ratio: 2 })),
  "RoiAlign, pixels unknown": grad("2x2x5x6", align({ sampling_ratio: 2 }), { symbolic: "pixels" }),
  "RoiAlign, pixels unknown, largest": grad("2x2x5x6", align({ mode: "max", sampling_ratio: 2 }), {
    symbolic: "pixels",
  }),
  "RoiAlign, mean of as many as fit": grad("2x2x5x6", align({})),
  "RoiAlign, mean of as many as fit computed regions": alignComputed({}),
  "RoiAlign, largest of as many as fit computed regions": alignComputed({
    mode: "max",
    coordinate_transformation_mode: "output_half_pixel",
  }),
  "RoiAlign, largest": grad("2x2x5x6", align({ mode: "max", sampling_ratio: 2 })),
  "RoiAlign, largest, from the pixels' corners": grad(
    "2x2x5x6",
    align({ mode: "max", coordinate_transformation_mode: "output_half_pixel" }),
  ),
  "DeformConv with a bias": grad("2x2x4x5, 3x2x2x2, 2x8x3x4, 3", deform({}), {
    within: [
      [-2, 2],
      [-2, 2],
      [0.1, 0.9],
      [-1, 1],
    ],
  }),
  "DeformConv in groups, masked": grad(
    "1x4x5x5, 4x2x3x2, 1x24x3x3, 4, 1x12x3x3",
    deform({ group: 2, offset_group: 2, strides: [2, 2], pads: [1, 1, 1, 1] }),
    { within: deformRanges },
  ),
  "RoiAlign, batch unknown": grad(
    "2x2x5x6",
    (g, x) => align({ sampling_ratio: 1 })(g, g.op("Reshape", [x, g.ints([0, 2, 5, 6])])),
    { symbolic: true },
  ),
  "DeformConv, batch unknown": grad(
    "2x2x4x5, 3x2x2x2, 2x8x3x4",
    (g, x, weight, offset) => {
      const sizes = [
        [0, 2, 4, 5],
        [3, 2, 2, 2],
        [0, 8, 3, 4],
      ];
      const known = [x, weight, offset].map((value, i) => g.op("Reshape", [value, g.ints(sizes[i]!)]));
      return g.op("DeformConv", known);
    },
    {
      within: [
        [-2, 2],
        [-2, 2],
        [0.1, 0.9],
      ],
      symbolic: true,
    },
  ),
};
