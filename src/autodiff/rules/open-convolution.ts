import { type GraphBuilder, numbers, range, rankOf } from "../../graph/builder.ts";
import type { Node, Value } from "../../graph/ir.ts";
import type { Window } from "../../graph/window.ts";
import { type Backward, sizesOf } from "../rule.ts";
import type { Correlation } from "./convolution-weight.ts";

/*
 * Convolutions and pools over images whose sizes only the run knows, as in fully convolutional networks and detectors
 * that scale what they are given. They go back by operators that need no sizes: slower than what is composed for known
 * ones, and right for any.
 */

/** Whether the pixels of all of these are counted by numbers. */
export const hasKnownSizes = (...images: readonly Value[]): boolean =>
  images.every(({ shape }) => shape !== undefined && numbers(shape.slice(2)) !== undefined);

/** The first pixels of an image, as many as another has. */
export function cutTo(g: GraphBuilder, image: Value, like: Value): Value {
  const axes = range(2, rankOf(like));
  const starts = g.ints(axes.map(() => 0));
  const cut = g.op("Slice", [image, starts, g.op("Shape", [like], { start: 2 }), g.ints(axes)]);
  if (like.shape && image.shape) cut.shape = [...image.shape.slice(0, 2), ...like.shape.slice(2)];
  return cut;
}

/**
 * The transposed convolution of dY: ConvTranspose with the most padding of its output that a stride may ask for, cut to
 * the image's size.
 */
export function openInput(
  g: GraphBuilder,
  { dy, w, x }: { readonly dy: Value; readonly w: Value; readonly x: Value },
  { kernel, strides, dilations, pads }: Window,
  group: number,
): Value {
  const whole = g.op("ConvTranspose", [dy, w], {
    kernel_shape: kernel,
    strides,
    dilations,
    // what the end was padded with is cut off below: then no image is larger than what is made here
    pads: [...pads.slice(0, kernel.length), ...kernel.map(() => 0)],
    group,
    output_padding: strides.map((stride) => stride - 1),
  });
  return cutTo(g, whole, x);
}

/** The convolution of the image with dY as its filters, over the batch as channels, stride and dilation exchanged. */
export function openWeight(
  { g, node, x, attrs: { group } }: Backward<"Conv" | "ConvTranspose">,
  { image, filter, window: { kernel, strides, dilations, pads } }: Correlation,
): Value {
  const weight = sizesOf(node, x[1], "the sizes");
  const channelsFirst = [1, 0, ...range(2, rankOf(image))];
  const filters = g.transpose(filter, channelsFirst);
  const found = g.op("Conv", [groupsInBatch(g, image, group, weight[1]!), filters], {
    strides: dilations,
    dilations: strides,
    pads,
    group,
  });
  const axes = range(2, rankOf(image));
  const starts = axes.map(() => 0);
  const cut = g.op("Slice", [
    g.transpose(found, channelsFirst),
    ...[starts, kernel, axes].map((l) => g.ints(l)),
  ]);
  cut.shape = weight;
  return cut;
}

/** [batch, group · inner, …pixels] to [inner, group · batch, …pixels]: what each group's filters are slid over. */
function groupsInBatch(g: GraphBuilder, image: Value, group: number, inner: number): Value {
  const rest = range(2, rankOf(image));
  if (group === 1) return g.transpose(image, [1, 0, ...rest]);
  const pixels = g.op("Shape", [image], { start: 2 });
  const split = g.op("Reshape", [image, g.concat([g.ints([-1, group, inner]), pixels], 0)]);
  const moved = g.transpose(split, [2, 1, 0, ...rest.map((axis) => axis + 1)]);
  return g.op("Reshape", [moved, g.concat([g.ints([inner, -1]), pixels], 0)]);
}

/** The number of channels of an image. @throws autodiff/unknown-size */
export function channelsOf(node: Node, image: Value): readonly [number] {
  const channels = image.shape?.[1];
  return typeof channels === "number"
    ? [channels]
    : (sizesOf(node, image, "the number of channels", 1) as readonly [number]);
}

/**
 * How many elements each window of an average has, [1, 1, …places], counted at run time: a convolution of ones with ones.
 * With `withPads` the padding counts; what ceil_mode adds at the ends never does.
 */
export function openCounts(
  g: GraphBuilder,
  { x, y }: { readonly x: Value; readonly y: Value },
  { kernel, strides, dilations, pads }: Window,
  withPads: boolean,
): Value {
  const rank = kernel.length;
  const pixels = g.op("Shape", [x], { start: 2 });
  const added = range(rank).map((axis) => pads[axis]! + pads[axis + rank]!);
  const counted = withPads ? g.add(pixels, g.ints(added)) : pixels;
  const ones = g.op("Expand", [
    g.ones([1, 1, ...kernel.map(() => 1)], x),
    g.concat([g.ints([1, 1]), counted], 0),
  ]);
  const around = withPads ? pads.map(() => 0) : pads;
  const sums = g.op("Conv", [ones, g.ones([1, 1, ...kernel], x)], {
    strides,
    dilations,
    pads: around.map((pad, i) => (i < rank ? pad : pad + strides[i - rank]! - 1)),
  });
  return cutTo(g, sums, y);
}
