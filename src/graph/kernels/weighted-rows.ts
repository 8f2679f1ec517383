/** How many rows are added at once: more than one, because reading and writing the sum costs more than a product. */
export const rowsAtOnce = 4;

/**
 * Adds Σ weightᵢ · rowᵢ to the elements of `data` from `to` on; up to `rowsAtOnce` rows of one length, and a weight for
 * each. This is where the reference kernels spend most of their time.
 */
export function addRows(
  data: Float64Array,
  to: number,
  rows: readonly Float64Array[],
  weights: readonly number[],
): void {
  const [a, b, c, d] = rows;
  const [u, v, w, z] = weights as [number, number, number, number];
  const size = a?.length ?? 0;
  if (a && b && c && d)
    for (let i = 0, at = to; i < size; i++, at++)
      data[at] = data[at]! + u * a[i]! + v * b[i]! + w * c[i]! + z * d[i]!;
  else
    for (const [k, row] of rows.entries()) {
      const weight = weights[k]!;
      for (let i = 0, at = to; i < size; i++, at++) data[at] = data[at]! + weight * row[i]!;
    }
}
