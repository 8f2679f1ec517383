import { type GraphBuilder, range } from "../graph/builder.ts";
import type { Node, Value } from "../graph/ir.ts";

/** A matrix product as its rule sees it: sides of rank 2 or more, and the gradient of their product. */
export interface MatmulFrame {
  readonly a: Value;
  readonly b: Value;
  readonly dy: Value;
}

/**
 * The sides and the output gradient of a matrix product, brought to matrices for the gradient of side `index`.
 *
 * A vector becomes a matrix of one row (left) or one column (right). Where one matrix multiplied every matrix of a
 * batch, the batch is laid out as more rows: its gradient is then one product instead of a sum over a batch of them.
 */
export function matmulFrame(g: GraphBuilder, node: Node, dy: Value, index: number): MatmulFrame {
  const [a, b] = node.inputs as [Value, Value];
  const ranks = [a.shape?.length, b.shape?.length];
  if (ranks[0] === undefined || ranks[1] === undefined) return { a, b, dy };
  const outRank = Math.max(2, ...(ranks as number[])) - (ranks[0] === 1 ? 1 : 0) - (ranks[1] === 1 ? 1 : 0);
  let gradient = dy;
  if (ranks[1] === 1) gradient = g.unsqueeze(gradient, [outRank]);
  if (ranks[0] === 1) gradient = g.unsqueeze(gradient, [outRank - (ranks[1] === 1 ? 0 : 1)]);
  const left = ranks[0] === 1 ? g.unsqueeze(a, [0]) : a;
  const right = ranks[1] === 1 ? g.unsqueeze(b, [1]) : b;
  const isTransposed = node.attributes.get("transA")?.value === 1;
  if (index === 1 && ranks[1] === 2 && ranks[0] > 2 && !isTransposed) {
    const flat = [left, gradient].map((side) => asRows(g, side));
    if (flat[0] && flat[1]) return { a: flat[0], b: right, dy: flat[1] };
  }
  return { a: left, b: right, dy: gradient };
}

/** [..., rows, columns] as [all rows, columns], where the number of columns is known. */
function asRows(g: GraphBuilder, x: Value): Value | undefined {
  const columns = x.shape!.at(-1);
  const leading = x.shape!.slice(0, -1);
  if (typeof columns !== "number" || columns === 0) return undefined;
  const rows = leading.every((dim) => typeof dim === "number") ? leading.reduce((n, d) => n * d, 1) : -1;
  return g.reshape(x, [rows, columns]);
}

/** The gradient of a vector side, from the one of the matrix it was made. */
export function asVector(g: GraphBuilder, gradient: Value, side: Value, index: number): Value {
  if (side.shape?.length !== 1) return gradient;
  const rank = gradient.shape!.length;
  const batch = range(rank - 2);
  const summed = g.sum(gradient, batch);
  return g.squeeze(summed, [index === 0 ? 0 : 1]);
}
