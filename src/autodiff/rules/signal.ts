import type { GradRules } from "../rule.ts";

export const signal = {
  BlackmanWindow: [null],
  DFT: "expansion",
  HammingWindow: [null],
  HannWindow: [null],
  // whole bins: the slope by the edges is 0 wherever there is one
  MelWeightMatrix: [null],
  STFT: "expansion",
} satisfies Partial<GradRules>;
