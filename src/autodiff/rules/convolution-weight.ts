import { type GraphBuilder, range } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import { sizeOf } from "../../graph/tensor.ts";
import type { Window } from "../../graph/window.ts";
import { sumOver } from "../reduce.ts";
import { type Backward, sizesOf } from "../rule.ts";
import { hasKnownSizes, openWeight } from "./open-convolution.ts";

/** What a weight was slid over, and the gradient of what came out. */
export interface Correlation {
  /** [batch, in, ...sizes] */
  readonly image: Value;
  /** [batch, out, ...positions] */
  readonly filter: Value;
  readonly window: Window;
}

/** The same with sizes as numbers. `batch` is undefined while it is a symbol. */
interface Sizes {
  readonly batch: number | undefined;
  /** [out, in/group, ...kernel] */
  readonly weight: readonly [number, number, ...number[]];
  readonly positions: readonly number[];
  readonly group: number;
}

/** Output positions of an image from which it counts as large. */
const largeImage = 28 * 28;

/**
 * The gradient of a convolution's weight, as the composition that was fastest for its kind:
 *
 * 1×1 on large images one product for each image, summed over the batch; depthwise with a batch of known size a
 * convolution whose filters are the gradients; everything else products of matrices [channels, batch·positions], of
 * which a stride of 1 needs fewer copies of the image.
 */
export function weightGradient(b: Backward<"Conv" | "ConvTranspose">, correlation: Correlation): Value {
  const { g, node, x, attrs } = b;
  const { window, image } = correlation;
  const filtered = node.op === "Conv" ? b.y : x[0];
  if (!hasKnownSizes(filtered, image)) return openWeight(b, correlation);
  const batch = image.shape?.[0];
  const sizes: Sizes = {
    batch: typeof batch === "number" ? batch : undefined,
    weight: sizesOf(node, x[1], "the sizes") as [number, number, ...number[]],
    positions: sizesOf(node, filtered, "the spatial sizes", 2),
    group: attrs.group,
  };
  const isPointwise =
    sizeOf(window.kernel) === 1 && window.strides.every((s) => s === 1) && window.pads.every((p) => p === 0);
  if (isPointwise && attrs.group === 1 && sizeOf(sizes.positions) >= largeImage)
    return pointwise(g, correlation, sizes);
  if (attrs.group > 1 && sizes.weight[1] === 1 && sizes.batch !== undefined)
    return depthwise(b, correlation, sizes, sizes.batch);
  const isDense = window.strides.every((stride) => stride === 1);
  const spread = spreadOf(sizesOf(node, image, "the spatial sizes", 2), window);
  if (isDense && isReached(spread, sizes.positions)) return shiftedProducts(g, correlation, sizes, spread);
  return products(g, correlation, sizes);
}

/** Σ over the batch of dYᵢ·Xᵢᵀ. */
function pointwise(g: GraphBuilder, { image, filter }: Correlation, { weight }: Sizes): Value {
  const flat = (value: Value, channels: number) => g.op("Reshape", [value, g.ints([0, channels, -1])]);
  const each = g.product(flat(filter, weight[0]), flat(image, weight[1]), { transB: true });
  return g.reshape(g.sum(each, [0]), weight);
}

/** A convolution with a group for each channel of each image, its stride and dilation exchanged. */
function depthwise(
  { g, node }: Backward<"Conv" | "ConvTranspose">,
  { image, filter, window }: Correlation,
  { weight, positions, group }: Sizes,
  batch: number,
): Value {
  const { kernel, strides, dilations, pads } = window;
  const size = sizesOf(node, image, "the spatial sizes", 2);
  const groups = batch * group;
  const found = g.op(
    "Conv",
    [g.reshape(image, [1, groups, ...size]), g.reshape(filter, [batch * weight[0], 1, ...positions])],
    { kernel_shape: positions, strides: dilations, dilations: strides, pads, group: groups },
  );
  const axes = kernel.map((_, i) => i + 2);
  const cut = g.slice(
    found,
    axes,
    axes.map(() => 0),
    kernel,
  );
  return sumOver(g, g.reshape(cut, [batch, ...weight]), [0]);
}

/**
 * dYᵢ·Xⱼᵀ for every tap (i, j) of a kernel without stride: dY shifted along the rows of X by i, X along the columns of dY
 * by j, so that a 3×3 kernel takes 2 shifted copies of each instead of 9 of X.
 *
 * On large images a product for each image, summed over the batch, which saves putting the channels first.
 */
function shiftedProducts(g: GraphBuilder, correlation: Correlation, sizes: Sizes, spread: Spread): Value {
  const { batch, weight, positions, group } = sizes;
  const [out, inner, tall, ...wide] = weight as readonly [number, number, number, ...number[]];
  const rank = positions.length;
  const isLarge = sizeOf(positions) >= largeImage;
  const inOrder = (value: Value) => (isLarge ? value : g.transpose(value, [1, 0, ...range(2, rank + 2)]));
  const [image, filter] = [inOrder(correlation.image), inOrder(correlation.filter)];
  // both become arrays over the rows of X and the columns of dY
  const grid = [spread.size[0]!, ...positions.slice(1)];
  const asRows = (value: Value, channels: number) =>
    isLarge
      ? g.op("Reshape", [value, g.ints([0, group, channels / group, sizeOf(grid)])])
      : g.reshape(value, [group, channels / group, batch === undefined ? -1 : batch * sizeOf(grid)]);
  // element k of the copy is element k + offset
  const shifted = (value: Value, offsets: readonly number[], from: readonly number[]) => {
    const begin = offsets.map((offset) => -offset);
    const end = offsets.map((offset, i) => offset + grid[i]! - from[i]!);
    return g.pad(value, [0, 0, ...begin, 0, 0, ...end]);
  };
  const still = wide.map(() => 0);
  const rows = spread.offsets[0]!.map((offset) =>
    asRows(shifted(filter, [-offset, ...still], positions), out),
  );
  const columns = tapsOf(wide).map((tap) => {
    const offsets = tap.map((at, i) => spread.offsets[i + 1]![at]!);
    return asRows(shifted(image, [0, ...offsets], spread.size), inner * group);
  });
  const axis = isLarge ? 1 : 0;
  const together = Math.ceil(rowsAtOnce / (out / group));
  const parts: Value[] = [];
  for (let at = 0; at < tall; at += together) {
    const some = rows.slice(at, at + together);
    const stacked = g.concat(some, axis + 1);
    const products = columns.map((column) => {
      const product = g.product(stacked, column, { transB: true });
      const total = isLarge ? sumOver(g, product, [0]) : product;
      return g.reshape(total, [group, some.length, out / group, inner, 1]);
    });
    parts.push(g.concat(products, 4));
  }
  return g.reshape(g.transpose(g.concat(parts, 1), [0, 2, 3, 1, 4]), weight);
}

/** Sizes of an image, and how far each tap along each axis reads from the output position it counts for. */
interface Spread {
  readonly size: readonly number[];
  readonly offsets: readonly (readonly number[])[];
}

function spreadOf(size: readonly number[], { kernel, dilations, pads }: Window): Spread {
  const offsets = kernel.map((taps, axis) => range(taps).map((tap) => tap * dilations[axis]! - pads[axis]!));
  return { size, offsets };
}

/** Whether every tap reads the image somewhere: what is cut off a shifted copy is less than the copy. */
const isReached = ({ size, offsets }: Spread, positions: readonly number[]): boolean =>
  offsets.every((along, axis) => along.every((o) => o < size[axis]! && -o < positions[axis]!));

/**
 * dY·Xₜᵀ for every tap t of the kernel, X shifted to where the tap reads.
 *
 * On large images a product for every few taps, so that little is copied; on small ones one product of all taps. A
 * stride splits X into as many phases once, in which every tap reads a dense part: copying every second element is slow.
 */
function products(g: GraphBuilder, { image, filter, window }: Correlation, sizes: Sizes): Value {
  const { weight, positions, group } = sizes;
  const [out, inner, ...kernel] = weight;
  const columns = sizes.batch === undefined ? -1 : sizes.batch * sizeOf(positions);
  const asRows = (value: Value, rows: number) =>
    g.reshape(value, group === 1 ? [rows, columns] : [group, rows / group, columns]);
  const channelsFirst = [1, 0, ...range(2, kernel.length + 2)];
  const rank = kernel.length;
  const pads = [0, 0, ...window.pads.slice(0, rank), 0, 0, ...window.pads.slice(rank)];
  const padded = g.transpose(g.pad(image, pads), channelsFirst);
  const gradient = asRows(g.transpose(filter, channelsFirst), out);
  const axes = range(2, rank + 2);
  const whole = axes.map(() => Number.MAX_SAFE_INTEGER);
  const rows = tapsOf(kernel).map((tap) => {
    const offsets = tap.map((at, i) => at * window.dilations[i]!);
    const phases = offsets.map((offset, i) => offset % window.strides[i]!);
    const starts = offsets.map((offset, i) => Math.floor(offset / window.strides[i]!));
    const ends = starts.map((start, i) => start + positions[i]!);
    const isDense = window.strides.every((stride) => stride === 1);
    const phase = isDense ? padded : g.slice(padded, axes, phases, whole, window.strides);
    return asRows(g.slice(phase, axes, starts, ends), inner * group);
  });
  const together = sizeOf(positions) >= largeImage ? Math.ceil(rowsAtOnce / inner) : rows.length;
  const parts: Value[] = [];
  for (let at = 0; at < rows.length; at += together) {
    const taps = rows.slice(at, at + together);
    const product = g.product(gradient, g.concat(taps, group === 1 ? 0 : 1), { transB: true });
    parts.push(g.reshape(product, [out, taps.length, inner]));
  }
  return g.reshape(g.transpose(g.concat(parts, 1), [0, 2, 1]), weight);
}

/** Rows of X that one product on a large image reads: enough to fill the registers of a matrix kernel. */
const rowsAtOnce = 64;

/** Every position in a kernel, row by row: [[0,0], [0,1], …]. */
const tapsOf = (kernel: readonly number[]): number[][] =>
  kernel.reduce<number[][]>(
    (taps, size) => taps.flatMap((tap) => range(size).map((at) => [...tap, at])),
    [[]],
  );
