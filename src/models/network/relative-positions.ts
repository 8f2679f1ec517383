import { range } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import type { Network } from "./network.ts";

/**
 * What a whole number between −limit and limit is mapped to, looked up; numbers beyond count as the limit.
 * places: int64 -> int64 of the same shape. `bucketOf` is asked once for every number.
 */
export function bucketed(
  { g }: Network,
  places: Value,
  { limit, bucketOf }: { readonly limit: number; readonly bucketOf: (place: number) => number },
): Value {
  const table = g.constant(
    range(-limit, limit + 1).map((place) => bucketOf(place)),
    "int64",
  );
  const scalar = (value: number) => g.constant([value], "int64", []);
  const within = g.op("Clip", [places, scalar(-limit), scalar(limit)]);
  return g.op("Gather", [table, g.add(within, scalar(limit))], { axis: 0 });
}

/** How far each key lies after each query: int64 [tokens, tokens]. */
export function keyOffsets(m: Network, ids: Value): Value {
  const places = m.countedPositions(ids);
  return m.g.sub(m.g.unsqueeze(places, [0]), m.g.unsqueeze(places, [1]));
}

/** 1 − tokens … tokens: every offset of a column from its row, and one more, which `skewed` needs. int64 [2 · tokens]. */
export function everyOffset({ g }: Network, ids: Value): Value {
  const scalar = (value: number) => g.constant([value], "int64", []);
  const tokens = g.reshape(g.sizeOf(ids, 1), []);
  return g.op("Range", [g.sub(scalar(1), tokens), g.add(tokens, scalar(1)), scalar(1)]);
}

/**
 * Columns counted by their offset from the row, as columns counted from the first:
 * y[…, i, j] = x[…, i, j − i + tokens − 1]. x: [batch, heads, tokens, 2 · tokens] -> [batch, heads, tokens, tokens].
 *
 * Rows of 2 · tokens numbers read as rows of 2 · tokens − 1 move by one place each, so that nothing is gathered.
 * Source: Huang et al. 2018, §3.4.1.
 */
export function skewed({ g }: Network, x: Value, ids: Value): Value {
  const tokens = g.sizeOf(ids, 1);
  const [batch, heads, rows] = x.shape!;
  const flat = g.op("Reshape", [x, g.ints([0, 0, -1])]);
  const cut = g.op("Slice", [flat, g.sub(tokens, g.ints([1])), g.ints([-1]), g.ints([2])]);
  const shifted = g.op("Reshape", [cut, g.concat([g.ints([0, 0]), tokens, g.ints([-1])], 0)]);
  const y = g.op("Slice", [shifted, g.ints([0]), tokens, g.ints([3])]);
  y.shape = [batch!, heads!, rows!, rows!];
  return y;
}
