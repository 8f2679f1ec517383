import { type GraphBuilder, type Operand, range, rankOf } from "../builder.ts";
import type { Value } from "../ir.ts";
import { windowFrame } from "../window.ts";
import { type Composite, type Expansions, noExpansion, sizesOf } from "./expansion.ts";
import { linearIn, productOf, rampOf, reshapeTo, sizeAlong, sizeLike } from "./open-sizes.ts";
import { padBy, padsOf } from "./pads.ts";
import { componentsOf, sampled, spatialRank, tapsAt } from "./sampling.ts";

/** Positions −1 … 1 as places among `size` pixels: the ends are the outer pixels' centres, or their outer edges. */
function unnormalised(g: GraphBuilder, at: Value, pixels: Operand, alignCorners: boolean): Value {
  const half = linearIn(g, sizeLike(g, pixels, at), 0.5, alignCorners ? -0.5 : 0);
  const place = g.mul(g.add(at, 1), half);
  return alignCorners ? place : g.sub(place, 0.5);
}

function gridSample({ g, x: [x, grid], attrs }: Composite<"GridSample">): Value {
  const count = spatialRank(x);
  const sizes = range(2, count + 2).map((axis) => sizeAlong(g, x, axis));
  const alignCorners = attrs.align_corners === 1;
  const how = { mode: attrs.mode.replace(/^bi/, ""), padding: attrs.padding_mode, alignCorners };
  const components = componentsOf(g, grid, count).toReversed();
  const axes = components.map((at, i) =>
    tapsAt(g, unnormalised(g, at, sizes[i]!, alignCorners), sizes[i]!, how),
  );
  const places = range(1, count + 1).map((axis) => sizeAlong(g, grid, axis));
  return reshapeTo(g, sampled(g, x, axes, sizes), [sizeAlong(g, x, 0), sizeAlong(g, x, 1), ...places]);
}

/** Samples at the moved places of each window as columns, which the weights multiply. */
function deformConv({ g, node, x, attrs, has }: Composite<"DeformConv">): Value {
  const [input, weight, offset, bias, mask] = x;
  const { group, offset_group: groups, strides, dilations, pads } = attrs;
  const [outputs, reads, ...kernel] = sizesOf(node, weight, "the sizes") as readonly [
    number,
    number,
    ...number[],
  ];
  const pixels = range(2, rankOf(input)).map((axis) => sizeAlong(g, input, axis));
  const places = range(2, rankOf(offset)).map((axis) => sizeAlong(g, offset, axis));
  if (kernel.length !== places.length) return noExpansion(node, "its weight and its offset differ in axes");
  const taps = count(kernel);
  const points = productOf(g, places);
  const samples = productOf(g, [taps, points]);
  const moved = reshapeTo(g, offset, [-1, taps, kernel.length, ...places]);
  const axes = kernel.map((_, axis) => {
    const by = g.squeeze(g.slice(moved, [2], [axis], [axis + 1]), [2]);
    const tap = range(taps).map((at) => along(at, kernel, axis) * (dilations[axis] ?? 1));
    const start = { start: -(pads[axis] ?? 0), step: strides[axis] ?? 1 };
    const still = g.add(
      g.constant(tap, by.dtype, [taps, ...kernel.map(() => 1)]),
      inAxis(g, rampOf(g, places[axis]!, by.dtype ?? "float32", start), axis, kernel.length),
    );
    const at = reshapeTo(g, g.add(by, still), [-1, samples]);
    return tapsAt(g, at, pixels[axis]!, { mode: "linear", padding: "zeros", alignCorners: true });
  });
  const parts = reshapeTo(g, input, [-1, (reads * group) / groups, ...pixels]);
  const read = sampled(g, parts, axes, pixels);
  const shown = has(4) ? g.mul(read, reshapeTo(g, mask, [-1, 1, samples])) : read;
  const columns = reshapeTo(g, shown, [-1, group, reads * taps, points]);
  const rows = g.reshape(weight, [group, outputs / group, reads * taps]);
  const y = reshapeTo(g, g.matmul(rows, columns), [-1, outputs, ...places]);
  return has(3) ? g.add(y, g.reshape(bias, [1, outputs, ...kernel.map(() => 1)])) : y;
}

const count = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

/** A list as an axis of `rank`, the others being 1. */
export const inAxis = (g: GraphBuilder, list: Value, axis: number, rank: number): Value =>
  g.unsqueeze(
    list,
    range(rank).filter((other) => other !== axis),
  );

/** The index along one axis of a flat index. */
const along = (index: number, sizes: readonly number[], axis: number): number =>
  Math.floor(index / count(sizes.slice(axis + 1))) % sizes[axis]!;

/** The root of the sum of powers, over zeros put around the input; 0, with no slope, where that sum is 0. */
function lpPool({ g, node, x: [x], attrs }: Composite<"LpPool">): Value {
  const frame = windowFrame(node, spatialRank(x));
  if (!frame) return noExpansion(node, "its kernel_shape is missing or of another number of axes");
  const { kernel, strides, dilations } = frame;
  const padded = padBy(g, g.abs(x), padsOf(g, frame, x), 0);
  const { p } = attrs;
  const powers = p === 1 ? padded : p === 2 ? g.square(padded) : g.pow(padded, p);
  const mean = g.op("AveragePool", [powers], { kernel_shape: kernel, strides, dilations });
  const sum = g.mul(mean, count(kernel));
  if (p === 1) return sum;
  const isZero = g.equal(sum, 0);
  const safe = g.where(isZero, 1, sum);
  return g.where(isZero, 0, p === 2 ? g.sqrt(safe) : g.pow(safe, 1 / p));
}

export const sampling = {
  DeformConv: deformConv,
  GridSample: gridSample,
  LpPool: lpPool,
} as const satisfies Expansions;
