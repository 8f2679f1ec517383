import { attend, fromHeads, intoHeads } from "../../graph/expansions/attention-core.ts";
import type { Value } from "../../graph/ir.ts";
import { headSize } from "./config-fields.ts";
import { type Network, numberAt } from "./network.ts";

/**
 * What is added to a score so that its key counts for nothing: e^−10000 is 0 in float32, and half precision can hold the
 * sum of several.
 */
const excluded = -10_000;

/** 0 where a condition holds and −10000 where it does not. */
export const biasOf = ({ g }: Network, isKept: Value): Value =>
  g.mul(g.sub(1, g.cast(isKept, "float32")), excluded);

/** A bias for scores that leaves out padding. mask: int64 [batch, keys] of 0 and 1 -> [batch, 1, 1, keys]. */
export const paddingBias = (m: Network, mask: Value): Value => m.g.unsqueeze(biasOf(m, mask), [1, 2]);

export interface AttentionOptions {
  /** Heads of the queries. */
  readonly heads: number;
  /** Heads of keys and values, each of which serves as many neighbouring heads of queries. Default: as many. */
  readonly keyHeads?: number;
  /** What is added to the scores, each broadcast to [batch, heads, queries, keys]. */
  readonly biases?: readonly (Value | undefined)[];
  /** Default 1 / √(size of a head). */
  readonly scale?: number;
}

/** softmax(scale · q·kᵀ + biases)·v over heads. q, k, v: [batch, tokens, heads · size] -> [batch, tokens, heads · size]. */
export function multiHeadAttention(
  { g }: Network,
  { q, k, v }: { readonly q: Value; readonly k: Value; readonly v: Value },
  { heads, keyHeads = heads, biases = [], scale }: AttentionOptions,
): Value {
  const size = headSize(numberAt(q, -1), heads, keyHeads);
  const valueSize = headSize(numberAt(v, -1), keyHeads);
  const split = {
    q: intoHeads(g, q, heads, size),
    k: intoHeads(g, k, keyHeads, size),
    v: intoHeads(g, v, keyHeads, valueSize),
  };
  const { y } = attend(g, split, { scale: scale ?? 1 / Math.sqrt(size), biases });
  return fromHeads(g, y, heads, valueSize);
}
