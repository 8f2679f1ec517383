import { ints, type Schema, unary } from "./schema.ts";

/** Operators that move, sample and scale pixels. */
export const imaging = {
  DepthToSpace: { ...unary, attributes: { blocksize: 1, mode: "DCR" } },
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
  SpaceToDepth: { ...unary, attributes: { blocksize: 1 } },
} as const satisfies { readonly [op: string]: Schema };
