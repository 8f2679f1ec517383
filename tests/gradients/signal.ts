import type { GraphBuilder } from "../../src/graph/builder.ts";
import type { Value } from "../../src/graph/ir.ts";
import { type GradCase, grad } from "./grad-case.ts";

const whole = (g: GraphBuilder, value: number) => g.constant([value], "int64", []);

/** By a constant matrix where the sizes are known, by one that the run computes where they are symbols. */
function transforms(
  title: string,
  shapes: string,
  attributes: { inverse?: number; onesided?: number },
  axis: number,
  length?: number,
): { readonly [title: string]: GradCase } {
  const build = (g: GraphBuilder, x: Value) =>
    g.op("DFT", [x, length === undefined ? undefined : whole(g, length), whole(g, axis)], attributes);
  const parts = Number(shapes.split("x").at(-1));
  const open = (g: GraphBuilder, x: Value) => {
    const known = g.op("Reshape", [
      x,
      g.ints([
        ...shapes
          .split("x")
          .slice(1)
          .map(() => 0),
        parts,
      ]),
    ]);
    return build(g, known);
  };
  return {
    [`DFT, ${title}`]: grad(shapes, build),
    [`DFT, ${title}, sizes unknown`]: grad(shapes, open, { symbolic: true, float64Tolerance: 1e-5 }),
  };
}

const stft =
  (hop: number, attributes = {}) =>
  (g: GraphBuilder, signal: Value, window: Value) =>
    g.op("STFT", [signal, whole(g, hop), window], attributes);

export const signal: { readonly [title: string]: GradCase } = {
  ...transforms("real", "2x5x1", {}, 1),
  ...transforms("complex, a middle axis", "2x4x3x2", {}, -3),
  ...transforms("real, half", "2x6x1", { onesided: 1 }, 1),
  ...transforms("real, half, an odd length", "3x5x1", { onesided: 1 }, -2),
  ...transforms("filled up with zeros", "2x3x5x1", { onesided: 1 }, 2, 8),
  ...transforms("cut off", "7x2x2", {}, 0, 4),
  ...transforms("inverse", "2x5x2", { inverse: 1 }, 1),
  ...transforms("inverse of real numbers, cut off", "2x6x1", { inverse: 1 }, 1, 5),
  ...transforms("inverse of half", "2x4x2", { inverse: 1, onesided: 1 }, 1),
  ...transforms("inverse of half, an odd length", "4x3x2", { inverse: 1, onesided: 1 }, 0, 7),
  ...transforms("inverse of half, filled up", "2x4x2", { inverse: 1, onesided: 1 }, 1, 9),
  ...transforms("inverse of half, cut off", "2x5x2", { inverse: 1, onesided: 1 }, 1, 6),
  "DFT, real, half, a length of int32, sizes unknown": grad(
    "2x5x1",
    (g, x) => {
      const real = g.op("Reshape", [x, g.ints([0, 0, 1])]);
      return g.op("DFT", [real, g.constant([7], "int32", []), whole(g, 1)], { onesided: 1 });
    },
    { symbolic: true, float64Tolerance: 1e-5 },
  ),
  // in two steps
  ...transforms("many points", "2x1056x2", {}, 1),
  ...transforms("many points, half, filled up", "1000x2x1", { onesided: 1 }, 0, 1500),
  ...transforms("many points, cut off", "2x1200x2", {}, 1, 1024),
  ...transforms("many points, inverse", "1x1024x2", { inverse: 1 }, 1),
  ...transforms("many points, inverse of half", "2x801x2", { inverse: 1, onesided: 1 }, 1),
  STFT: grad("2x17x1, 6", stft(2)),
  "STFT, the last samples unread, a frame of two steps and a bit": grad("2x19x1, 7", stft(3)),
  "STFT, gaps between the frames": grad("1x14x1, 3", stft(5)),
  "STFT, both sides, two axes": grad("2x16, 4", stft(4, { onesided: 0 })),
  "STFT of complex numbers": grad("2x12x2, 5", stft(2, { onesided: 0 })),
  "STFT without a window": grad("1x16x1", (g, x) => g.op("STFT", [x, whole(g, 4), undefined, whole(g, 8)])),
  "STFT, as many samples as the run has": grad(
    "2x20x1",
    (g, x) => {
      const real = g.op("Reshape", [x, g.ints([0, 0, 1])]);
      return g.op("STFT", [real, whole(g, 3), g.op("HannWindow", [whole(g, 8)])]);
    },
    { symbolic: true },
  ),
};
