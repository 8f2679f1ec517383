import { type GraphBuilder, range, rankOf } from "../../graph/builder.ts";
import { allPixels, regionTaps, weightedPixels } from "../../graph/expansions/imaging-regions.ts";
import { alongAxis, type Interpolated, interpolatedAxes } from "../../graph/expansions/imaging-resize.ts";
import { matrixOf } from "../../graph/expansions/interpolation.ts";
import type { Node, Value } from "../../graph/ir.ts";
import { type Backward, type GradRules, sizesOf } from "../rule.ts";
import { scatterAdd } from "../scatter.ts";

/** dx = Mᵀ·dy along each axis that was resized. Elements that were only repeated are summed. */
function unresized({ g, node, dy, x, attrs }: Backward<"Resize">): Value {
  const axes = interpolatedAxes({ node, x, attrs });
  const repeated = axes.filter(({ repeats }) => repeats !== undefined);
  const mixed = axes.filter((axis) => !repeated.includes(axis));
  const unmixed = mixed.reduce((value, { axis, from, taps }) => {
    const matrix = g.constant(matrixOf(taps, from), x[0].dtype ?? "float32", [taps.length, from]);
    return alongAxis(g, value, axis, g.swap(matrix));
  }, dy);
  return summedRuns(g, node, unmixed, repeated);
}

/** Sums of the runs that a nearest upscale repeated: a window of its size over pixels, which is a pool. */
function summedRuns(g: GraphBuilder, node: Node, dy: Value, repeated: readonly Interpolated[]): Value {
  if (repeated.length === 0) return dy;
  const rank = rankOf(dy);
  const times = range(rank).map((axis) => repeated.find((each) => each.axis === axis)?.repeats ?? 1);
  const window = times.slice(2);
  if (rank >= 3 && rank <= 5 && times[0] === 1 && times[1] === 1) {
    const mean = g.op("AveragePool", [dy], { kernel_shape: window, strides: window });
    return g.mul(
      mean,
      window.reduce((a, b) => a * b),
    );
  }
  const sizes = sizesOf(node, dy, "the sizes").flatMap((size, axis) => [size / times[axis]!, times[axis]!]);
  return g.sum(
    g.reshape(dy, sizes),
    range(rank).map((axis) => 2 * axis + 1),
  );
}

/** The blocks back into the channels; a channel's own block together where it was so. */
function unblocked({ g, node, dy, x: [x], attrs: { blocksize, mode } }: Backward<"DepthToSpace">): Value {
  const deep = g.op("SpaceToDepth", [dy], { blocksize });
  if (mode === "DCR") return deep;
  const [channels] = sizesOf(node, x, "the number of channels", 1) as readonly [number];
  const block = blocksize * blocksize;
  const order = range(channels).map((i) => (i % block) * (channels / block) + Math.floor(i / block));
  return g.op("Gather", [deep, g.ints(order)], { axis: 1 });
}

/** The regions' gradients added to the pixels they read; of a maximum only to the largest, shared where several are. */
function unaligned({ g, node, dy, x, attrs }: Backward<"RoiAlign">): Value {
  const [input] = x;
  const [channels] = sizesOf(node, input, "the number of channels", 1) as readonly [number];
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
  const [height, width] = sizesOf(node, input, "the sizes of the pixels", 2);
  return g.transpose(g.reshape(added, [-1, height!, width!, channels]), [0, 3, 1, 2]);
}

export const imaging = {
  AffineGrid: "expansion",
  CenterCropPad: "expansion",
  Col2Im: "expansion",
  DeformConv: "expansion",
  DepthToSpace: [unblocked],
  GridSample: "expansion",
  LpPool: "expansion",
  MaxUnpool: "expansion",
  RoiAlign: [unaligned, null, null],
  SpaceToDepth: [({ g, dy, attrs: { blocksize } }) => g.op("DepthToSpace", [dy], { blocksize })],
  Resize: [unresized, null, null, null],
} satisfies Partial<GradRules>;
