import { type GraphBuilder, type Operand, range, rankOf } from "../builder.ts";
import type { Value } from "../ir.ts";
import { linearIn, sizeLike } from "./open-sizes.ts";

/** Where an axis is read for each point, and how much each place counts: both [batch, points, taps], as floats. */
export interface AxisTaps {
  readonly at: Value;
  readonly weight: Value;
}

/** How an axis is read between its elements and beyond its ends, as GridSample names it. */
export interface Reading {
  readonly mode: string;
  readonly padding: string;
  readonly alignCorners: boolean;
}

/** The taps of real positions on an axis. positions: [batch, points]. */
export function tapsAt(g: GraphBuilder, positions: Value, pixels: Operand, how: Reading): AxisTaps {
  const size = sizeLike(g, pixels, positions);
  const low = how.alignCorners ? 0 : -0.5;
  const high = linearIn(g, size, 1, -1 - low);
  const reflect = (x: Value) => reflected(g, x, low, high);
  const point = g.unsqueeze(positions, [2]);
  const { at, weight } = spread(g, how.padding === "reflection" ? reflect(point) : point, how.mode);
  if (how.padding === "zeros") {
    const isInside = g.op("And", [g.greaterOrEqual(at, 0), g.lessOrEqual(at, linearIn(g, size, 1, -1))]);
    return { at: clamped(g, at, size), weight: g.where(isInside, weight, 0) };
  }
  return { at: clamped(g, how.padding === "reflection" ? reflect(at) : at, size), weight };
}

export const clamped = (g: GraphBuilder, at: Value, size: Operand): Value =>
  g.min(g.max(at, 0), linearIn(g, size, 1, -1));

/** The elements around a point. Their weights are functions of how far it is past one; their places are constant. */
function spread(g: GraphBuilder, point: Value, mode: string): AxisTaps {
  if (mode === "nearest") {
    const at = g.op("Round", [point]);
    return { at, weight: g.add(g.mul(at, 0), 1) };
  }
  const dtype = point.dtype ?? "float32";
  const floor = g.op("Floor", [point]);
  const past = g.sub(point, floor);
  if (mode !== "cubic") {
    const weight = g.add(g.mul(past, g.constant([-1, 1], dtype)), g.constant([1, 0], dtype));
    return { at: g.add(floor, g.constant([0, 1], dtype)), weight };
  }
  const offsets = g.constant([-1, 0, 1, 2], dtype);
  return { at: g.add(floor, offsets), weight: keysCubic(g, g.abs(g.sub(offsets, past)), -0.75) };
}

/** Keys 1981, eq. 4. d: the distance; 0 from 2 on. */
export function keysCubic(g: GraphBuilder, d: Value, a: number): Value {
  const within = g.min(d, 2);
  const near = g.add(g.mul(g.square(within), g.sub(g.mul(within, a + 2), a + 3)), 1);
  const far = g.mul(g.sub(g.mul(within, g.add(g.mul(within, g.sub(within, 5)), 8)), 4), a);
  return g.where(g.lessOrEqual(within, 1), near, far);
}

/** A position mirrored at both ends until it lies between them; any place, once it is clamped, where both are one. */
function reflected(g: GraphBuilder, x: Value, low: number, high: Operand): Value {
  const width = linearIn(g, high, 1, -low);
  const twice = linearIn(g, width, 2, 0);
  const away = g.abs(g.sub(x, low));
  const turns = g.op("Floor", [
    g.div(away, typeof twice === "number" ? Math.max(twice, 1) : g.max(twice, 1)),
  ]);
  const within = g.sub(away, g.mul(turns, twice));
  return g.sub(high, g.abs(g.sub(within, width)));
}

/** The taps of all axes together: rows of flat pixels, and what each counts. Both [batch, points, taps]. */
export function combined(
  g: GraphBuilder,
  axes: readonly AxisTaps[],
  sizes: readonly Operand[],
): { readonly row: Value; readonly weight: Value } {
  const crossed = (a: Value, b: Value, by: (a: Value, b: Value) => Value) =>
    g.op("Reshape", [by(g.unsqueeze(a, [3]), g.unsqueeze(b, [2])), g.ints([0, 0, -1])]);
  const [first, ...others] = axes as readonly [AxisTaps, ...AxisTaps[]];
  const row = others.reduce(
    (total, { at }, i) => crossed(g.mul(total, sizes[i + 1]!), g.cast(at, "int64"), g.add),
    g.cast(first.at, "int64"),
  );
  return { row, weight: others.reduce((total, { weight }) => crossed(total, weight, g.mul), first.weight) };
}

/** [batch, channels, ...sizes] as rows [batch, pixels, channels]. */
export const pixelRows = (g: GraphBuilder, x: Value): Value =>
  g.transpose(g.op("Reshape", [x, g.ints([0, 0, -1])]), [0, 2, 1]);

/**
 * x read at points between its pixels, by weights that are a product over its axes.
 *
 * x: [batch, channels, ...sizes]; axes: one for each size. Result: [batch, channels, points].
 */
export function sampled(
  g: GraphBuilder,
  x: Value,
  axes: readonly AxisTaps[],
  sizes: readonly Operand[],
): Value {
  const { row, weight } = combined(g, axes, sizes);
  const read = g.op("GatherND", [pixelRows(g, x), g.unsqueeze(row, [3])], { batch_dims: 1 });
  const summed = g.matmul(g.cast(g.unsqueeze(weight, [2]), x), read);
  return g.transpose(g.squeeze(summed, [2]), [0, 2, 1]);
}

/** The components of points [batch, ...places, axes], the last axis' first, each [batch, points]. */
export function componentsOf(g: GraphBuilder, points: Value, axes: number): readonly Value[] {
  const flat = g.op("Reshape", [points, g.ints([0, -1, axes])]);
  return range(axes).map((i) => g.squeeze(g.slice(flat, [2], [i], [i + 1]), [2]));
}

/** Axes of a value after batch and channels. */
export const spatialRank = (x: Value): number => rankOf(x) - 2;
