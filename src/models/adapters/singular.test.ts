import { expect, test } from "vitest";
import { random } from "../../base/random.ts";
import { leadingSingular } from "./singular.ts";

/** A matrix with these singular values along drawn directions. */
function withValues(rows: number, columns: number, values: readonly number[]): Float32Array {
  const draw = random(1, "matrix", rows, columns);
  const unit = (length: number, others: number[][]): number[] => {
    const v = Array.from({ length }, draw.normal);
    for (const other of others) {
      const along = v.reduce((sum, x, i) => sum + x * other[i]!, 0);
      for (const i of v.keys()) v[i]! -= along * other[i]!;
    }
    const norm = Math.hypot(...v);
    return v.map((x) => x / norm);
  };
  const [u, v]: [number[][], number[][]] = [[], []];
  for (const _ of values) {
    u.push(unit(rows, u));
    v.push(unit(columns, v));
  }
  return Float32Array.from({ length: rows * columns }, (_, at) =>
    values.reduce((sum, s, k) => sum + s * u[k]![Math.floor(at / columns)]! * v[k]![at % columns]!, 0),
  );
}

test.each([
  [40, 30],
  [30, 40],
  [60, 60],
])("the largest singular values and their vectors: %i by %i", (rows, columns) => {
  const values = Array.from({ length: 25 }, (_, k) => 10 * 0.8 ** k);
  const matrix = withValues(rows, columns, values);
  const { u, s, v } = leadingSingular(matrix, { rows, columns, rank: 5, seed: 0, name: "w" });
  for (const [k, value] of s.entries()) expect(value).toBeCloseTo(values[k]!, 5);
  // the rest is as large as the sixth value at most, which only the right five directions leave
  const rest = Math.hypot(
    ...matrix.map(
      (value, at) =>
        value -
        s.reduce(
          (sum, size, k) => sum + size * u[Math.floor(at / columns) * 5 + k]! * v[(at % columns) * 5 + k]!,
          0,
        ),
    ),
  );
  expect(rest).toBeCloseTo(Math.hypot(...values.slice(5)), 4);
});

test("a matrix of a lower rank than asked for", () => {
  const matrix = withValues(12, 9, [3, 1]);
  const { s, v } = leadingSingular(matrix, { rows: 12, columns: 9, rank: 4, seed: 0, name: "w" });
  expect(s[0]).toBeCloseTo(3, 5);
  expect(s[1]).toBeCloseTo(1, 5);
  expect(s[2]).toBeLessThan(1e-5);
  expect([...v].every(Number.isFinite)).toBe(true);
});
