import type { GradRules } from "../rule.ts";

/** Nothing that is drawn changes smoothly with what it is drawn for; noise that is scaled and added does in those. */
export const random = {
  Bernoulli: [null],
  Multinomial: [null],
  RandomNormal: [],
  RandomNormalLike: [null],
  RandomUniform: [],
  RandomUniformLike: [null],
} satisfies Partial<GradRules>;
