import { range, rankOf } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import { sizeOf } from "../../graph/tensor.ts";
import type { Window } from "../../graph/window.ts";
import { type Backward, type GradRules, sizesOf } from "../rule.ts";
import { numericWindow } from "./convolution.ts";
import { channelsOf, hasKnownSizes, openCounts, openInput } from "./open-convolution.ts";

/** Spatial axes of an image. */
const spatial = (x: Value): number[] => range(2, rankOf(x));

/** Each maximum's gradient goes to where its index says; the indices are positions in the whole array. */
function maxPool(b: Backward<"MaxPool">): Value {
  const { g, dy, x } = b;
  const [indices, updates] = [positions(b), dy].map((value) => g.reshape(value, [-1])) as [Value, Value];
  // counted at run time: of a known count the runtime would make a constant as large as the image, and keep it
  const flat = g.zeros(g.reshape(g.op("Size", [x[0]]), [1]), dy);
  const total = g.op("ScatterElements", [flat, indices, updates], { axis: 0, reduction: "add" });
  return g.reshapeLike(total, x[0]);
}

/** The node's indices; of one that counts column by column those of a second pool that counts row by row. */
function positions({ g, node, x, attrs, output }: Backward<"MaxPool">): Value {
  if (attrs.storage_order === 0) return output(1);
  const names = [g.graph.freshName("pooled"), g.graph.freshName("positions")];
  const attributes = [...node.attributes].filter(([key]) => key !== "storage_order");
  return g.graph.addNode("MaxPool", [x[0]], { outputs: names, attributes }).outputs[1]!;
}

/** How many elements of the image (and of its padding, where that counts) each window has along one axis. */
function countsAlong(
  window: Window,
  axis: number,
  size: number,
  outputs: number,
  withPads: boolean,
): number[] {
  const rank = window.kernel.length;
  const begin = window.pads[axis]!;
  const least = withPads ? -begin : 0;
  const most = withPads ? size + window.pads[axis + rank]! : size;
  return range(outputs).map((output) => {
    const start = output * window.strides[axis]! - begin;
    const reads = range(window.kernel[axis]!).map((tap) => start + tap * window.dilations[axis]!);
    return reads.filter((at) => at >= least && at < most).length;
  });
}

/** dY divided by each window's size and spread over it: a depthwise transposed convolution with ones. */
function averagePool(backward: Backward<"AveragePool">): Value {
  const {
    g,
    node,
    dy,
    y,
    x: [x],
    attrs,
  } = backward;
  const window = numericWindow(node);
  const { kernel, strides, dilations, pads } = window;
  const rank = kernel.length;
  const [channels] = channelsOf(node, x);
  if (!hasKnownSizes(x, y)) return openAverage(backward, window, channels);
  const sizes = sizesOf(node, x, "the spatial sizes", 2);
  const outputs = sizesOf(node, y, "the spatial sizes", 2);
  const counts = range(rank)
    .map((axis) => countsAlong(window, axis, sizes[axis]!, outputs[axis]!, attrs.count_include_pad === 1))
    .reduce((all, along) => all.flatMap((count) => along.map((n) => count * n)), [1]);
  const isUniform = counts.every((count) => count === counts[0]);
  const divisor = isUniform ? g.scalar(counts[0] ?? 1, dy) : g.constant(counts, dy.dtype, [1, 1, ...outputs]);
  const shares = g.div(dy, divisor);
  const reach = outputs.map(
    (size, i) => (size - 1) * strides[i]! + (kernel[i]! - 1) * dilations[i]! + 1 - pads[i]!,
  );
  const whole = g.op("ConvTranspose", [shares, g.ones([channels, 1, ...kernel], dy)], {
    kernel_shape: kernel,
    strides,
    dilations,
    group: channels,
    pads: [...pads.slice(0, rank), ...pads.slice(0, rank).map(() => 0)],
  });
  const missing = sizes.map((size, i) => size - reach[i]!);
  return g.pad(whole, [0, 0, ...sizes.map(() => 0), 0, 0, ...missing]);
}

/** The same over an image of unknown size. */
function openAverage(
  { g, dy, y, x: [x], attrs }: Backward<"AveragePool">,
  window: Window,
  channels: number,
): Value {
  const { kernel, pads } = window;
  const withPads = attrs.count_include_pad === 1;
  const isUniform = attrs.ceil_mode === 0 && (withPads || pads.every((pad) => pad === 0));
  const counts = isUniform ? g.scalar(sizeOf(kernel), dy) : openCounts(g, { x, y }, window, withPads);
  const spread = { dy: g.div(dy, counts), w: g.ones([channels, 1, ...kernel], dy), x };
  return openInput(g, spread, window, channels);
}

export const pooling = {
  MaxPool: [maxPool],
  AveragePool: [averagePool],
  GlobalAveragePool: [({ g, dy, x: [x] }) => g.expandLike(g.div(dy, g.count(x, dy, spatial(x))), x)],
  // equal maxima share the gradient
  GlobalMaxPool: [
    ({ g, dy, y, x: [x] }) => {
      const hits = g.cast(g.equal(x, y), dy);
      return g.mul(hits, g.div(dy, g.sum(hits, spatial(x), true)));
    },
  ],
  // y = (Σ|x|ᵖ)^(1/p)   dx = dy·sign(x)·(|x|/y)^(p−1)
  GlobalLpPool: [
    ({ g, dy, y, x: [x], attrs: { p } }) => {
      const signed = g.mul(dy, g.op("Sign", [x]));
      if (p === 1) return signed;
      return g.mul(signed, g.pow(g.div(g.abs(x), g.where(g.equal(y, 0), 1, y)), p - 1));
    },
  ],
} satisfies Partial<GradRules>;
