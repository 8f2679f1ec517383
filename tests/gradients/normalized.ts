import { type GradCase, grad } from "./grad-case.ts";

export const normalized: { readonly [title: string]: GradCase } = {
  "LRN, an odd neighbourhood": grad("2x5x3", (g, x) =>
    g.op("LRN", [x], { size: 3, alpha: 0.6, beta: 0.8, bias: 1.5 }),
  ),
  "LRN, an even neighbourhood, symbolic": {
    ...grad("2x5x3x2", (g, x) => g.op("LRN", [x], { size: 4, alpha: 0.6 })),
    symbolic: true,
  },
  "LRN, one channel": grad("2x3x2", (g, x) => g.op("LRN", [x], { size: 1, alpha: 0.6 })),
  "LpNormalization, p = 2": grad("2x3x4", (g, x) => g.op("LpNormalization", [x], { axis: 1 })),
  "LpNormalization, p = 1": grad("2x3x4", (g, x) => g.op("LpNormalization", [x], { axis: -1, p: 1 }), {
    at: [[-2, 0.5, 1, 3, -0.7]],
  }),
  "MeanVarianceNormalization over batch and pixels": grad("3x2x2x3", (g, x) =>
    g.op("MeanVarianceNormalization", [x]),
  ),
  "MeanVarianceNormalization over chosen axes": grad("3x4", (g, x) =>
    g.op("MeanVarianceNormalization", [x], { axes: [1] }),
  ),
  "RMSNormalization of the last axis": grad("2x3x4, 4", (g, x, scale) =>
    g.op("RMSNormalization", [x, scale]),
  ),
  "RMSNormalization, one scale for all": grad("2x3x4, 1", (g, x, scale) =>
    g.op("RMSNormalization", [x, scale]),
  ),
  "RMSNormalization in the precision of float64": grad("2x3x4, 4", (g, x, scale) =>
    g.op("RMSNormalization", [x, scale], { stash_type: 11 }),
  ),
  "RMSNormalization of two axes": grad("2x3x4, 3x4", (g, x, scale) =>
    g.op("RMSNormalization", [x, scale], { axis: 1, epsilon: 0.1 }),
  ),
};
