import { type Schema, unary } from "./schema.ts";

/** Normalisations that are made of sums and products. */
export const normalized = {
  LRN: { ...unary, attributes: { alpha: 1e-4, beta: 0.75, bias: 1, size: 1 } },
  LpNormalization: { ...unary, attributes: { axis: -1, p: 2 } },
  MeanVarianceNormalization: { ...unary, attributes: { axes: [0, 2, 3] as readonly number[] } },
  RMSNormalization: {
    inputs: ["X", "scale"],
    outputs: ["Y"],
    attributes: { axis: -1, epsilon: 1e-5, stash_type: 1 },
  },
} as const satisfies { readonly [op: string]: Schema };
