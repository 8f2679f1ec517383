import { type GraphBuilder, type Operand, range } from "../builder.ts";
import { knownDims } from "../infer/known-dims.ts";
import type { Value } from "../ir.ts";
import type { DataType } from "../tensor.ts";

/*
 * Sizes that may be known to the run alone: an operand is a number where a size is one, else a value. What is computed from
 * numbers is a number again, so that an expansion is written once for both.
 */

/** The size of an axis: a number, or int64 [1]. */
export function sizeAlong(g: GraphBuilder, x: Value, axis: number): Operand {
  const size = x.shape?.[axis];
  return typeof size === "number" ? size : g.sizeOf(x, axis);
}

/** The sum of two sizes, the second of which counts `by` times. */
export function sumOf(g: GraphBuilder, a: Operand, b: Operand, by = 1): Operand {
  if (typeof a === "number" && typeof b === "number") return a + by * b;
  return g.add(asVector(g, a), asVector(g, linearIn(g, b, by, 0)));
}

/** size · by + more. */
export function linearIn(g: GraphBuilder, size: Operand, by: number, more: number): Operand {
  if (typeof size === "number") return size * by + more;
  const product = by === 1 ? size : g.mul(size, by);
  return more === 0 ? product : g.add(product, more);
}

/** ⌊size / by⌋ of sizes that are not negative. */
export function quotientOf(g: GraphBuilder, size: Operand, by: Operand): Operand {
  if (typeof size === "number" && typeof by === "number") return Math.floor(size / by);
  return by === 1 ? size : g.op("Div", [asVector(g, size), asVector(g, by)]);
}

/** The larger of a size and a number. */
export const atLeast = (g: GraphBuilder, size: Operand, least: number): Operand =>
  typeof size === "number" ? Math.max(size, least) : g.max(size, least);

/** The smaller of two sizes. */
export const smallerOf = (g: GraphBuilder, a: Operand, b: Operand): Operand =>
  typeof a === "number" && typeof b === "number" ? Math.min(a, b) : g.min(asVector(g, a), asVector(g, b));

/** A product of sizes. */
export const productOf = (g: GraphBuilder, sizes: readonly Operand[]): Operand =>
  sizes.reduce((a, b) => {
    if (typeof a === "number" && typeof b === "number") return a * b;
    return g.mul(asVector(g, a), asVector(g, b));
  }, 1);

/** An element of a list of sizes. */
export function sizeIn(g: GraphBuilder, list: Value, index: number): Operand {
  const known = knownDims(list)?.[index];
  return typeof known === "number" ? known : g.cast(g.slice(list, [0], [index], [index + 1]), "int64");
}

/** A size as int64 [1]. */
export const asVector = (g: GraphBuilder, size: Operand): Value =>
  typeof size === "number" ? g.ints([size]) : size;

/** Sizes as a shape. */
export const shapeOf = (g: GraphBuilder, sizes: readonly Operand[]): Value =>
  sizes.every((size) => typeof size === "number")
    ? g.ints(sizes)
    : g.concat(
        sizes.map((size) => asVector(g, size)),
        0,
      );

/** A size as an operand of the type of `like`. */
export const sizeLike = (g: GraphBuilder, size: Operand, like: Value): Operand =>
  typeof size === "number" ? size : g.cast(size, like);

/** x in other sizes, of which one may be −1. */
export function reshapeTo(g: GraphBuilder, x: Value, sizes: readonly Operand[]): Value {
  if (sizes.every((size) => typeof size === "number")) return g.reshape(x, sizes);
  // beside −1 no size may be 0 in any reading
  return sizes.includes(-1) ? g.op("Reshape", [x, shapeOf(g, sizes)]) : g.reshapeTo(x, shapeOf(g, sizes));
}

/** start + step · i for i = 0 … size − 1. */
export function rampOf(
  g: GraphBuilder,
  size: Operand,
  dtype: DataType,
  { start = 0, step = 1 }: { readonly start?: number; readonly step?: number } = {},
): Value {
  if (typeof size === "number")
    return g.constant(
      range(size).map((i) => start + step * i),
      dtype,
    );
  const number = (value: number) => g.constant([value], "int64", []);
  const counted = g.op("Range", [number(0), g.squeeze(g.cast(size, "int64"), [0]), number(1)]);
  return linearIn(g, g.cast(counted, dtype), step, start) as Value;
}
