import { type GraphBuilder, range, rankOf } from "../graph/builder.ts";
import type { Value } from "../graph/ir.ts";

/**
 * The sum of rows where indices put them: the gradient of Gather.
 *
 * updates: [...before, ...indices, ...after]; result: the shape of `like`, [...before, size, ...after], in which `axis`
 * is the place of size.
 */
export function scatterAdd(
  g: GraphBuilder,
  updates: Value,
  indices: Value,
  axis: number,
  like: Value,
): Value {
  const width = rankOf(indices);
  const rank = rankOf(like);
  const before = range(axis);
  const rows = g.unsqueeze(g.cast(indices, "int64"), [width]);
  const toFront = [...range(axis, axis + width), ...before, ...range(axis + width, rank - 1 + width)];
  const moved = g.transpose(updates, toFront);
  const order = [axis, ...before, ...range(axis + 1, rank)];
  const shape = axis === 0 ? g.shapeOf(like) : g.op("Gather", [g.shapeOf(like), g.ints(order)]);
  const total = g.op("ScatterND", [g.zeros(shape, updates), rows, moved], { reduction: "add" });
  return g.transpose(total, [...range(1, axis + 1), 0, ...range(axis + 1, rank)]);
}

/**
 * The gradient of any operator that only moves elements, by moving their positions the same way.
 *
 * `move` applies the operator to an int64 array of the input's shape; each output element then says which input element
 * it was, and its gradient is added there.
 */
export function scatterBack(g: GraphBuilder, dy: Value, x: Value, move: (positions: Value) => Value): Value {
  const shape = g.shapeOf(x);
  const size = g.op("Size", [x]);
  const scalar = (value: number) => g.constant([value], "int64", []);
  const numbered = g.op("Range", [scalar(0), size, scalar(1)]);
  const positions = move(g.reshapeTo(numbered, shape));
  const flat = g.zeros(g.reshape(size, [1]), x);
  const parts = [positions, dy].map((value) => g.reshape(value, [-1])) as [Value, Value];
  const total = g.op("ScatterElements", [flat, ...parts], { axis: 0, reduction: "add" });
  return g.reshapeLike(total, x);
}
