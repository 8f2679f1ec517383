import { type GraphBuilder, type Operand, range, rankOf } from "../builder.ts";
import type { Value } from "../ir.ts";

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

/** The taps of real positions on an axis of a known size. positions: [batch, points]. */
export function tapsAt(g: GraphBuilder, positions: Value, size: number, how: Reading): AxisTaps {
  const [low, high] = how.alignCorners ? [0, size - 1] : [-0.5, size - 0.5];
  const reflect = (x: Value) => reflected(g, x, low, high);
  const point = g.unsqueeze(positions, [2]);
  const { at, weight } = spread(g, how.padding === "reflection" ? reflect(point) : point, how.mode);
  if (how.padding === "zeros") {
    const isInside = g.op("And", [g.greaterOrEqual(at, 0), g.lessOrEqual(at, size - 1)]);
    return { at: clamped(g, at, size), weight: g.where(isInside, weight, 0) };
  }
  return { at: clamped(g, how.padding === "reflection" ? reflect(at) : at, size), weight };
}

export const clamped = (g: GraphBuilder, at: Value, size: Operand): Value =>
  g.min(g.max(at, 0), typeof size === "number" ? size - 1 : g.sub(size, 1));

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
  return { at: g.add(floor, offsets), weight: cubic(g, g.abs(g.sub(offsets, past))) };
}

/** Keys 1981, eq. 4, with a = −0.75. d: the distance, 0 … 2. */
function cubic(g: GraphBuilder, d: Value): Value {
  const a = -0.75;
  const near = g.add(g.mul(g.square(d), g.sub(g.mul(d, a + 2), a + 3)), 1);
  const far = g.mul(g.sub(g.mul(d, g.add(g.mul(d, g.sub(d, 5)), 8)), 4), a);
  return g.where(g.lessOrEqual(d, 1), near, far);
}

/** A position mirrored at both ends until it lies between them. */
function reflected(g: GraphBuilder, x: Value, low: number, high: number): Value {
  const width = high - low;
  if (width === 0) return g.add(g.mul(x, 0), low);
  const away = g.abs(g.sub(x, low));
  const turns = g.op("Floor", [g.div(away, 2 * width)]);
  const within = g.sub(away, g.mul(turns, 2 * width));
  return g.sub(high, g.abs(g.sub(within, width)));
}

/** The taps of all axes together: rows of flat pixels, and what each counts. Both [batch, points, taps]. */
export function combined(
  g: GraphBuilder,
  axes: readonly AxisTaps[],
  sizes: readonly number[],
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
  sizes: readonly number[],
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

/** x in the shape that sizes of other values make. */
export function reshapeBySizes(
  g: GraphBuilder,
  x: Value,
  sizes: readonly (readonly [Value, number])[],
): Value {
  const shape = sizes.map(([value, axis]) => value.shape?.[axis]);
  if (shape.every((size) => typeof size === "number")) return g.reshape(x, shape);
  return g.reshapeTo(
    x,
    g.concat(
      sizes.map(([value, axis]) => g.sizeOf(value, axis)),
      0,
    ),
  );
}

/** Axes of a value after batch and channels. */
export const spatialRank = (x: Value): number => rankOf(x) - 2;
