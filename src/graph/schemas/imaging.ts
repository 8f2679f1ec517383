import { ints, type Schema, unary, windows } from "./schema.ts";

/** Operators that move, sample and scale pixels. */
export const imaging = {
  AffineGrid: { inputs: ["theta", "size"], outputs: ["grid"], attributes: { align_corners: 0 } },
  CenterCropPad: { inputs: ["input_data", "shape"], outputs: ["output_data"], attributes: { axes: ints } },
  Col2Im: {
    inputs: ["input", "image_shape", "block_shape"],
    outputs: ["output"],
    attributes: { dilations: ints, pads: ints, strides: ints },
  },
  DeformConv: {
    inputs: ["X", "W", "offset", "B?", "mask?"],
    outputs: ["Y"],
    attributes: { dilations: ints, group: 1, kernel_shape: ints, offset_group: 1, pads: ints, strides: ints },
  },
  DepthToSpace: { ...unary, attributes: { blocksize: 1, mode: "DCR" } },
  GridSample: {
    inputs: ["X", "grid"],
    outputs: ["Y"],
    attributes: { align_corners: 0, mode: "linear", padding_mode: "zeros" },
  },
  LpPool: { ...unary, attributes: { ...windows, ceil_mode: 0, p: 2 } },
  MaxRoiPool: {
    inputs: ["X", "rois"],
    outputs: ["Y"],
    attributes: { pooled_shape: ints, spatial_scale: 1 },
  },
  MaxUnpool: {
    inputs: ["X", "I", "output_shape?"],
    outputs: ["output"],
    attributes: { kernel_shape: ints, pads: ints, strides: ints },
  },
  Resize: {
    inputs: ["X", "roi?", "scales?", "sizes?"],
    outputs: ["Y"],
    attributes: {
      antialias: 0,
      axes: ints,
      coordinate_transformation_mode: "half_pixel",
      cubic_coeff_a: -0.75,
      exclude_outside: 0,
      extrapolation_value: 0,
      keep_aspect_ratio_policy: "stretch",
      mode: "nearest",
      nearest_mode: "round_prefer_floor",
    },
  },
  RoiAlign: {
    inputs: ["X", "rois", "batch_indices"],
    outputs: ["Y"],
    attributes: {
      coordinate_transformation_mode: "half_pixel",
      mode: "avg",
      output_height: 1,
      output_width: 1,
      sampling_ratio: 0,
      spatial_scale: 1,
    },
  },
  SpaceToDepth: { ...unary, attributes: { blocksize: 1, mode: "DCR" } },
} as const satisfies { readonly [op: string]: Schema };
