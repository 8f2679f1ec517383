import { type GraphBuilder, isSameShape, rankOf } from "../builder.ts";
import type { Dim } from "../dim.ts";
import type { Value } from "../ir.ts";
import type { DataType } from "../tensor.ts";

/**
 * Queries, keys and values: [batch, heads, tokens, size].
 *
 * Keys and values may have fewer heads than queries, each of which serves as many neighbouring heads of these.
 */
export interface Heads {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
}

export interface Scoring {
  readonly scale: number;
  /** Scores are kept within ± this by a hyperbolic tangent; 0 for not at all. */
  readonly softcap?: number;
  /** What is added to the scores, each broadcast to [batch, heads, queries, keys]. */
  readonly biases?: readonly (Value | undefined)[];
  /** The score of a key beyond the others that has no value, one a head: [heads, 1, 1] or one number. */
  readonly sink?: Value | undefined;
  /** The type in which the softmax is computed; that of the queries by default. */
  readonly precision?: DataType | undefined;
}

/** What attention computes on its way; all but `y`: [batch, heads, queries, keys]. */
export interface Attended {
  readonly scores: Value;
  readonly capped: Value;
  readonly biased: Value;
  readonly weights: Value;
  /** [batch, heads, queries, size of a value] */
  readonly y: Value;
}

/** softmax(cap(scale · q·kᵀ) + biases)·v */
export function attend(g: GraphBuilder, heads: Heads, scoring: Scoring): Attended {
  const { scale, softcap = 0, biases = [], sink, precision } = scoring;
  const { q, v } = heads;
  // the division by the cap is part of the product
  const raw = scoresOf(g, heads, softcap === 0 ? scale : scale / softcap);
  const capped = softcap === 0 ? raw : g.mul(g.op("Tanh", [raw]), softcap);
  const biased = biases.reduce<Value>((sum, bias) => (bias ? g.add(sum, bias) : sum), capped);
  const exact = precision ? g.cast(biased, precision) : biased;
  const weights = g.cast(sink ? softmaxBeside(g, exact, sink) : softmax(g, exact), q);
  const y = byGroups(g, weights, v);
  return { scores: softcap === 0 ? raw : g.mul(raw, softcap), capped, biased, weights, y };
}

const softmax = (g: GraphBuilder, x: Value): Value => g.op("Softmax", [x], { axis: 3 });

/** Weights that leave a share to a key without a value. */
function softmaxBeside(g: GraphBuilder, scores: Value, sink: Value): Value {
  const sizes = [0, 1, 2].map((axis) => g.sizeOf(scores, axis));
  const column = g.op("Expand", [g.cast(sink, scores), g.concat([...sizes, g.ints([1])], 0)]);
  const all = softmax(g, g.concat([scores, column], 3));
  return g.op("Slice", [all, g.ints([0]), g.sizeOf(scores, 3), g.ints([3])]);
}

const headsOf = (x: Value): Dim => x.shape![1]!;

/** The heads of a group as more rows of the one head they share: one product, and a gradient without a sum. */
function grouped(g: GraphBuilder, x: Value, shared: Value): Value {
  const columns = x.shape![3];
  if (typeof columns === "number")
    return g.op("Reshape", [x, g.ints([0, Number(headsOf(shared)), -1, columns])]);
  const sizes = [g.ints([0, Number(headsOf(shared)), -1]), g.sizeOf(x, 3)];
  return g.op("Reshape", [x, g.concat(sizes, 0)]);
}

/** Rows of groups as heads again: [batch, heads, rows, columns], the rows as many as those of `rows`. */
function ungrouped(g: GraphBuilder, x: Value, rows: Value): Value {
  const heads = Number(headsOf(rows));
  const columns = x.shape![3];
  if (typeof columns === "number") return g.op("Reshape", [x, g.ints([0, heads, -1, columns])]);
  return g.op("Reshape", [x, g.concat([g.ints([0, heads]), g.sizeOf(rows, 2), g.sizeOf(x, 3)], 0)]);
}

/** scale · q·kᵀ: [batch, heads, queries, keys] */
function scoresOf(g: GraphBuilder, { q, k }: Heads, scale: number): Value {
  if (headsOf(q) === headsOf(k)) return g.product(q, k, { transB: true, alpha: scale });
  return ungrouped(g, g.product(grouped(g, q, k), k, { transB: true, alpha: scale }), q);
}

function byGroups(g: GraphBuilder, weights: Value, v: Value): Value {
  if (headsOf(weights) === headsOf(v)) return g.matmul(weights, v);
  return ungrouped(g, g.matmul(grouped(g, weights, v), v), weights);
}

/** [batch, tokens, heads·size] as [batch, heads, tokens, size]. */
export const intoHeads = (g: GraphBuilder, x: Value, heads: number, size: number): Value =>
  g.transpose(g.op("Reshape", [x, g.ints([0, 0, heads, size])]), [0, 2, 1, 3]);

/** The opposite. */
export const fromHeads = (g: GraphBuilder, x: Value, heads: number, size: number): Value =>
  g.op("Reshape", [g.transpose(x, [0, 2, 1, 3]), g.ints([0, 0, heads * size])]);

/** Keys or values of tokens that came before, and the new ones: [batch, heads, tokens, size]. */
export const appended = (g: GraphBuilder, past: Value | undefined, x: Value): Value =>
  past && past.shape?.[2] !== 0 ? g.concat([past, x], 2) : x;

/** How many tokens came before: a number, or an int64 vector of length 1. */
export function pastTokens(g: GraphBuilder, past: Value | undefined): Value | number {
  const known = past ? past.shape?.[2] : 0;
  return typeof known === "number" ? known : g.sizeOf(past!, 2);
}

/** How far from its own position a query sees: so many keys to the left and right; all where that is not said. */
export interface Sight {
  readonly left?: number | undefined;
  readonly right?: number | undefined;
}

/**
 * −∞ where a query must not see a key, else 0: [queries, keys], or [batch, 1, queries, keys].
 *
 * Query i stands at position i + offset. offset: a number, or whole numbers [1] or [batch, 1, 1, 1].
 */
export function sightBias(
  g: GraphBuilder,
  { q, k }: Pick<Heads, "q" | "k">,
  offset: Value | number,
  { left, right }: Sight,
): Value {
  const at = g.add(g.unsqueeze(numbersAlong(g, q), [1]), offset);
  const keys = numbersAlong(g, k);
  const sides = [
    ...(right === undefined ? [] : [g.lessOrEqual(keys, g.add(at, right))]),
    ...(left === undefined ? [] : [g.greaterOrEqual(keys, g.sub(at, left))]),
  ];
  const seen = sides.reduce((a, b) => g.op("And", [a, b]));
  return maskBias(g, seen, Number.NEGATIVE_INFINITY, q);
}

/** A number where a mask is false or 0, else 0. */
export const maskBias = (g: GraphBuilder, mask: Value, filter: number, like: Value): Value =>
  g.where(g.cast(mask, "bool"), g.scalar(0, like), filter);

/** Whether each key comes before the end of its example's: [batch, 1, 1, keys]. ends: [batch], whole numbers. */
export function keysBefore(g: GraphBuilder, ends: Value, k: Value): Value {
  return g.less(numbersAlong(g, k), g.unsqueeze(g.cast(ends, "int64"), [1, 2, 3]));
}

/** 0 … tokens − 1, of [batch, heads, tokens, size]. */
export function numbersAlong(g: GraphBuilder, x: Value): Value {
  const scalar = (value: number) => g.constant([value], "int64", []);
  return g.op("Range", [scalar(0), g.squeeze(g.sizeOf(x, 2), [0]), scalar(1)]);
}

/** A mask [batch, keys] or [batch, queries, keys] with an axis for heads, and one for queries. */
export const overHeads = (g: GraphBuilder, mask: Value): Value =>
  g.unsqueeze(mask, rankOf(mask) === 2 ? [1, 2] : [1]);

/** Whether two values have the same known size along an axis, or it cannot be told. */
export const mayAgree = (a: Value, b: Value, axis: number): boolean =>
  typeof a.shape?.[axis] !== "number" ||
  typeof b.shape?.[axis] !== "number" ||
  isSameShape([a.shape[axis]], [b.shape[axis]]);
