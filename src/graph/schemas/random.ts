import { ints, optionalInt, type Schema } from "./schema.ts";

const normal = { dtype: optionalInt, mean: 0, scale: 1, seed: optionalInt };
const uniform = { dtype: optionalInt, high: 1, low: 0, seed: optionalInt };
const like = { inputs: ["input"], outputs: ["output"], draws: true } as const;

/** Operators that draw random numbers. */
export const random = {
  Bernoulli: { ...like, attributes: { dtype: optionalInt, seed: optionalInt } },
  Multinomial: { ...like, attributes: { dtype: 6, sample_size: 1, seed: optionalInt } },
  RandomNormal: {
    inputs: [],
    outputs: ["output"],
    draws: true,
    attributes: { ...normal, dtype: 1, shape: ints },
  },
  RandomNormalLike: { ...like, attributes: normal },
  RandomUniform: {
    inputs: [],
    outputs: ["output"],
    draws: true,
    attributes: { ...uniform, dtype: 1, shape: ints },
  },
  RandomUniformLike: { ...like, attributes: uniform },
} as const satisfies { readonly [op: string]: Schema };
