import { type GraphBuilder, range, rankOf } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import { type Backward, noGradient, sizesOf } from "../rule.ts";

/** Beyond it the minors of one matrix are more than a million numbers. */
const largest = 32;

/**
 * Of 3 by 3: with rows and columns counted in a circle, a[i+1, j+1]·a[i+2, j+2] − a[i+1, j+2]·a[i+2, j+1], whose sign is
 * right. Of 2 by 2: the opposite element.
 */
function smallCofactors(g: GraphBuilder, a: Value, size: number): Value {
  const rank = rankOf(a);
  const turned = (value: Value, axis: number, by: number) =>
    g.op("Gather", [value, g.ints(range(size).map((i) => (i + by) % size))], { axis });
  const element = (row: number, column: number) => turned(turned(a, rank - 2, row), rank - 1, column);
  if (size === 2) return g.mul(element(1, 1), g.constant([1, -1, -1, 1], a.dtype, [2, 2]));
  return g.sub(g.mul(element(1, 1), element(2, 2)), g.mul(element(1, 2), element(2, 1)));
}

/**
 * dA = dy · cofactors(A): the determinants of A without row i and column j, which are right for singular matrices too,
 * where det(A)·A⁻ᵀ is not.
 */
export function determinant({ g, node, dy, x: [a] }: Backward<"Det">): Value {
  const rank = rankOf(a);
  const [size] = sizesOf(node, a, "the sizes of the matrix", rank - 2) as readonly [number];
  if (size > largest)
    return noGradient(
      node,
      `its matrices are ${size} by ${size}, and their minors are taken up to ${largest}`,
    );
  const gradient = g.unsqueeze(dy, [-2, -1]);
  if (size === 0) return g.zerosLike(a);
  if (size === 1) return gradient;
  if (size <= 3) return g.mul(gradient, smallCofactors(g, a, size));
  const others = range(size).flatMap((left) => range(size).filter((i) => i !== left));
  const without = g.constant(others, "int64", [size, size - 1]);
  const before = range(rank - 2);
  const [first, second, third, fourth] = range(rank - 2, rank + 2) as [number, number, number, number];
  // [..., row left out, rows, columns], its columns to the front, where whole rows are gathered
  const withoutRow = g.transpose(g.op("Gather", [a, without], { axis: first }), [
    ...before,
    third,
    first,
    second,
  ]);
  // [..., column left out, columns, row left out, rows]
  const minors = g.op("Gather", [withoutRow, without], { axis: first });
  const order = [...before, third, first, second, fourth];
  const cofactors = g.op("Det", [g.transpose(minors, order)]);
  const signs = range(size * size).map((i) => (((i % size) + Math.floor(i / size)) % 2 === 0 ? 1 : -1));
  return g.mul(gradient, g.mul(cofactors, g.constant(signs, dy.dtype, [size, size])));
}
