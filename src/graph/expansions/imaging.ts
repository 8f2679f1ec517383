import type { Composite, Expansions } from "./expansion.ts";
import { sizesOf } from "./expansion.ts";
import { bins } from "./imaging-bins.ts";
import { regions } from "./imaging-regions.ts";
import { resize } from "./imaging-resize.ts";
import { sampling } from "./imaging-sampling.ts";
import { scatters } from "./imaging-scatter.ts";

export const imaging = {
  ...resize,
  ...sampling,
  ...scatters,
  ...regions,
  ...bins,
  // DCR: channels are [block, block, channels], CRD: [channels, block, block]
  DepthToSpace: ({ g, node, x: [x], attrs: { blocksize: b, mode } }) => {
    const [batch, channels, height, width] = fourSizes(node, x);
    const deep = channels / (b * b);
    const isDcr = mode === "DCR";
    const split = g.reshape(
      x,
      isDcr ? [batch, b, b, deep, height, width] : [batch, deep, b, b, height, width],
    );
    const woven = g.transpose(split, isDcr ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3]);
    return g.reshape(woven, [batch, deep, height * b, width * b]);
  },
  SpaceToDepth: ({ g, node, x: [x], attrs: { blocksize: b, mode } }) => {
    const [batch, channels, height, width] = fourSizes(node, x);
    const split = g.reshape(x, [batch, channels, height / b, b, width / b, b]);
    return g.reshape(g.transpose(split, mode === "DCR" ? [0, 3, 5, 1, 2, 4] : [0, 1, 3, 5, 2, 4]), [
      batch,
      channels * b * b,
      height / b,
      width / b,
    ]);
  },
} as const satisfies Expansions;

const fourSizes = (node: Composite["node"], x: Composite["x"][0]) =>
  sizesOf(node, x, "the sizes") as readonly [number, number, number, number];
