import { numbers, range } from "../../graph/builder.ts";
import { allPixels, regionTaps, weightedPixels } from "../../graph/expansions/imaging-regions.ts";
import type { Value } from "../../graph/ir.ts";
import { type Backward, type GradRules, noGradient } from "../rule.ts";
import { scatterAdd } from "../scatter.ts";
import { resize } from "./imaging-resize.ts";
import { channelsOf } from "./open-convolution.ts";

/** The blocks back into the channels; a channel's own block together where it was so. */
function unblocked({ g, node, dy, x: [x], attrs: { blocksize, mode } }: Backward<"DepthToSpace">): Value {
  const deep = g.op("SpaceToDepth", [dy], { blocksize });
  if (mode === "DCR") return deep;
  const channels = x.shape?.[1];
  if (typeof channels !== "number") return noGradient(node, "its number of channels is not known");
  const block = blocksize * blocksize;
  const order = range(channels).map((i) => (i % block) * (channels / block) + Math.floor(i / block));
  return g.op("Gather", [deep, g.ints(order)], { axis: 1 });
}

/** The regions' gradients added to the pixels they read; of a maximum only to the largest, shared where several are. */
function unaligned({ g, node, dy, x, attrs }: Backward<"RoiAlign">): Value {
  const [input] = x;
  const [channels] = channelsOf(node, input);
  const taps = regionTaps({ g, node, x, attrs });
  const bins = (value: Value) => g.reshape(g.transpose(value, [0, 2, 3, 1]), [-1, 1, channels]);
  const pixels = allPixels(g, input, channels);
  const weight = g.unsqueeze(g.cast(taps.weight, dy), [2]);
  const chosen = () => {
    const read = weightedPixels(g, pixels, taps);
    const isLargest = g.cast(g.equal(read, g.op("ReduceMax", [read, g.ints([1])], { keepdims: 1 })), dy);
    return g.div(g.mul(bins(dy), isLargest), g.max(g.sum(isLargest, [1], true), 1));
  };
  const parts = g.mul(weight, attrs.mode === "max" ? chosen() : bins(dy));
  const added = scatterAdd(g, parts, taps.row, 0, pixels);
  const sizes = numbers(input.shape?.slice(2));
  const rows = sizes
    ? g.reshape(added, [-1, ...sizes, channels])
    : g.reshapeTo(
        added,
        g.concat([...[0, 2, 3].map((axis) => g.sizeOf(input, axis)), g.ints([channels])], 0),
      );
  return g.transpose(rows, [0, 3, 1, 2]);
}

export const imaging = {
  AffineGrid: "expansion",
  // what was cut off is filled up with zeros on the same side, and the other way round
  CenterCropPad: [
    ({ g, dy, x: [x], attrs: { axes } }) => {
      const shape = axes.length > 0 ? g.op("Gather", [g.shapeOf(x), g.ints(axes)]) : g.shapeOf(x);
      return g.op("CenterCropPad", [dy, shape], { axes: axes.length > 0 ? axes : undefined });
    },
    null,
  ],
  Col2Im: "expansion",
  DeformConv: "expansion",
  DepthToSpace: [unblocked],
  GridSample: "expansion",
  LpPool: "expansion",
  MaxRoiPool: "expansion",
  MaxUnpool: "expansion",
  RoiAlign: [unaligned, null, null],
  SpaceToDepth: [({ g, dy, attrs: { blocksize, mode } }) => g.op("DepthToSpace", [dy], { blocksize, mode })],
  ...resize,
} satisfies Partial<GradRules>;
