import { fromFront } from "../attributes.ts";
import type { Dim, Shape } from "../dim.ts";
import { product } from "../dim.ts";
import type { OpName } from "../schemas.ts";
import type { Ask, OpenShape, ShapeRule } from "./rule.ts";

type ReductionName = Extract<OpName, `Reduce${string}`>;

/** A shape without some of its axes, or with 1 in their place. */
const reduced = (shape: Shape, axes: readonly number[], keepdims: number): Shape =>
  keepdims ? shape.map((dim, i) => (axes.includes(i) ? 1 : dim)) : shape.filter((_, i) => !axes.includes(i));

function reducedShape(ask: Ask<ReductionName>): OpenShape | undefined {
  const shape = ask.shape(0);
  const { keepdims, noop_with_empty_axes } = ask.attributes;
  const given = ask.isAbsent(1, "axes") ? [] : ask.ints(1, "axes");
  if (!given) {
    const count = ask.shape(1)?.[0];
    if (!shape) return undefined;
    const rank = keepdims ? shape.length : shape.length - (typeof count === "number" ? count : Number.NaN);
    // a damaged file may name more axes than there are
    return rank >= 0 ? new Array<undefined>(rank).fill(undefined) : undefined;
  }
  if (given.length === 0 && noop_with_empty_axes) return shape;
  if (!shape) return given.length === 0 && !keepdims ? [] : undefined;
  const axes =
    given.length === 0 ? shape.map((_, i) => i) : given.map((axis) => fromFront(axis, shape.length));
  return reduced(shape, axes, keepdims);
}

const reduction: ShapeRule<ReductionName> = (ask) => [{ dtype: ask.dtype(0), shape: reducedShape(ask) }];

/** A reduction of a small vector whose elements are known. */
const folded =
  (onDims: (dims: readonly Dim[]) => Dim | undefined): ShapeRule<ReductionName> =>
  (ask) => {
    const shape = reducedShape(ask);
    const values = ask.values(0);
    const isWhole = ask.shape(0)?.length === 1 && shape?.every((dim) => dim === 1);
    const result = isWhole && values && values.length > 0 ? onDims(values) : undefined;
    return [{ dtype: ask.dtype(0), shape, values: result === undefined ? undefined : [result] }];
  };

const ofNumbers = (pick: (...numbers: number[]) => number) => (dims: readonly Dim[]) =>
  dims.every((dim) => typeof dim === "number") ? pick(...dims) : undefined;

const argReduction: ShapeRule<"ArgMax" | "ArgMin"> = (ask) => {
  const shape = ask.shape(0);
  const { axis, keepdims } = ask.attributes;
  return [{ dtype: "int64", shape: shape && reduced(shape, [axis], keepdims) }];
};

export const reductions = {
  ReduceSum: reduction,
  ReduceMean: reduction,
  ReduceMax: folded(ofNumbers(Math.max)),
  ReduceMin: folded(ofNumbers(Math.min)),
  ReduceProd: folded(product),
  ReduceL1: reduction,
  ReduceL2: reduction,
  ReduceLogSum: reduction,
  ReduceLogSumExp: reduction,
  ReduceSumSquare: reduction,
  ArgMax: argReduction,
  ArgMin: argReduction,
} satisfies { readonly [N in OpName]?: ShapeRule<N> };
