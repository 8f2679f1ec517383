import { expect, test } from "vitest";
import { addProduct } from "./products.ts";

/** Numbers whose sums are rounded differently in another order. */
const numbers = (size: number, seed: number) =>
  Float64Array.from({ length: size }, (_, i) => Math.sin(seed + i * 0.7) * 10 ** (i % 5));

test.each([
  [1, 1, 1],
  [3, 2, 5],
  [4, 7, 4],
  [6, 513, 9],
  [513, 3, 6],
  [2, 5, 515],
  [515, 514, 513],
] as const)(
  "[%i, %i] · [.., %i] is added as plain loops add it, to the last bit",
  (rows, shared, columns) => {
    const [a, b, sum] = [numbers(rows * shared, 1), numbers(shared * columns, 2), numbers(rows * columns, 3)];
    const wanted = sum.slice();
    for (let i = 0; i < rows; i++)
      for (let k = 0; k < shared; k++)
        for (let j = 0; j < columns; j++)
          wanted[i * columns + j] = wanted[i * columns + j]! + a[i * shared + k]! * b[k * columns + j]!;
    const readRow = (into: Float64Array, k: number, column: number) =>
      into.set(b.subarray(k * columns + column, k * columns + column + into.length));
    addProduct(a, readRow, sum, [rows, shared, columns]);
    expect(Buffer.compare(Buffer.from(sum.buffer), Buffer.from(wanted.buffer))).toBe(0);
  },
);
