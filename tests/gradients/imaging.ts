import { type GradCase, grad } from "./grad-case.ts";
import { resizes } from "./imaging-resize.ts";

export const imaging: { readonly [title: string]: GradCase } = {
  ...resizes,
  "DepthToSpace, depth first": grad("2x8x2x3", (g, x) => g.op("DepthToSpace", [x], { blocksize: 2 })),
  "DepthToSpace, columns first": grad("1x18x2x1", (g, x) =>
    g.op("DepthToSpace", [x], { blocksize: 3, mode: "CRD" }),
  ),
  "DepthToSpace, sizes unknown": grad("2x4x2x3", (g, x) => g.op("DepthToSpace", [x], { blocksize: 2 }), {
    symbolic: true,
  }),
  SpaceToDepth: grad("2x2x4x6", (g, x) => g.op("SpaceToDepth", [x], { blocksize: 2 })),
};
