import { random } from "../../base/random.ts";

/** The largest singular values of a matrix, falling, and their vectors. u: [rows, rank], s: [rank], v: [columns, rank]. */
export interface LeadingSingular {
  readonly u: Float64Array;
  readonly s: readonly number[];
  readonly v: Float64Array;
}

/** More directions than asked for are followed, which makes those that are asked for settle sooner. */
const spare = 10;
const mostRounds = 16;
/** Relative growth of the squares that the subspace holds, from one round to the next, below which it has settled. */
const settled = 1e-11;

/**
 * The `rank` largest singular values by subspace iteration from a drawn start, in float64: the same for the same seed.
 *
 * matrix: [rows, columns]. Source: Halko, Martinsson & Tropp 2011, algorithms 4.4 and 5.1; the small problem at the end by
 * one-sided Jacobi rotations.
 */
export function leadingSingular(
  matrix: Float32Array,
  {
    rows,
    columns,
    rank,
    seed,
    name,
  }: {
    readonly rows: number;
    readonly columns: number;
    readonly rank: number;
    readonly seed: number;
    readonly name: string;
  },
): LeadingSingular {
  const width = Math.min(rank + spare, rows, columns);
  const draw = random(seed, "singular", name);
  let right: Float64Array = Float64Array.from({ length: columns * width }, draw.normal);
  let left: Float64Array = new Float64Array(0);
  let before = 0;
  for (let round = 0; round < mostRounds; round++) {
    if (round > 0) orthonormalize(right, columns, width);
    left = times(matrix, rows, columns, right, width);
    orthonormalize(left, rows, width);
    right = transposeTimes(matrix, rows, columns, left, width);
    const held = right.reduce((sum, value) => sum + value * value, 0);
    if (held - before <= settled * held) break;
    before = held;
  }
  // right = Mᵀ·left: its columns turned to be orthogonal are v·s, and left turned alike is u
  rotateApart(right, columns, left, rows, width);
  const norms = columnNorms(right, columns, width);
  const order = norms
    .map((_, k) => k)
    .sort((a, b) => norms[b]! - norms[a]!)
    .slice(0, rank);
  const pick = (from: Float64Array, length: number, scaled: boolean) =>
    Float64Array.from({ length: length * rank }, (_, at) => {
      const k = order[at % rank]!;
      const value = from[Math.floor(at / rank) * width + k]!;
      return scaled ? (norms[k]! > 0 ? value / norms[k]! : 0) : value;
    });
  return { u: pick(left, rows, false), s: order.map((k) => norms[k]!), v: pick(right, columns, true) };
}

/** M·X: [rows, width]. */
function times(m: Float32Array, rows: number, columns: number, x: Float64Array, width: number): Float64Array {
  const product = new Float64Array(rows * width);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) {
      const value = m[i * columns + j]!;
      for (let k = 0; k < width; k++) product[i * width + k]! += value * x[j * width + k]!;
    }
  return product;
}

/** Mᵀ·X: [columns, width]. */
function transposeTimes(
  m: Float32Array,
  rows: number,
  columns: number,
  x: Float64Array,
  width: number,
): Float64Array {
  const product = new Float64Array(columns * width);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) {
      const value = m[i * columns + j]!;
      for (let k = 0; k < width; k++) product[j * width + k]! += value * x[i * width + k]!;
    }
  return product;
}

/** Makes the columns of X orthonormal, in place, by Gram and Schmidt's way gone twice; dependent ones become zero. */
function orthonormalize(x: Float64Array, rows: number, width: number): void {
  for (let k = 0; k < width; k++) {
    const start = columnNorm(x, rows, width, k);
    for (let pass = 0; pass < 2; pass++)
      for (let j = 0; j < k; j++) {
        const along = dot(x, rows, width, j, k);
        for (let i = 0; i < rows; i++) x[i * width + k]! -= along * x[i * width + j]!;
      }
    const norm = columnNorm(x, rows, width, k);
    const factor = norm > 1e-12 * start && norm > 0 ? 1 / norm : 0;
    for (let i = 0; i < rows; i++) x[i * width + k]! *= factor;
  }
}

/** Turns pairs of columns of X until all are orthogonal, and the columns of Y with them. */
function rotateApart(x: Float64Array, rows: number, y: Float64Array, otherRows: number, width: number): void {
  for (let sweep = 0; sweep < 30; sweep++) {
    let isApart = true;
    for (let p = 0; p < width; p++)
      for (let q = p + 1; q < width; q++) {
        const a = dot(x, rows, width, p, p);
        const b = dot(x, rows, width, q, q);
        const c = dot(x, rows, width, p, q);
        if (Math.abs(c) <= 1e-14 * Math.sqrt(a * b) || c === 0) continue;
        isApart = false;
        const zeta = (b - a) / (2 * c);
        const t = (zeta >= 0 ? 1 : -1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta));
        const cos = 1 / Math.sqrt(1 + t * t);
        rotate(x, rows, width, p, q, cos, cos * t);
        rotate(y, otherRows, width, p, q, cos, cos * t);
      }
    if (isApart) return;
  }
}

function rotate(
  x: Float64Array,
  rows: number,
  width: number,
  p: number,
  q: number,
  cos: number,
  sin: number,
) {
  for (let i = 0; i < rows; i++) {
    const a = x[i * width + p]!;
    const b = x[i * width + q]!;
    x[i * width + p] = cos * a - sin * b;
    x[i * width + q] = sin * a + cos * b;
  }
}

function dot(x: Float64Array, rows: number, width: number, p: number, q: number): number {
  let sum = 0;
  for (let i = 0; i < rows; i++) sum += x[i * width + p]! * x[i * width + q]!;
  return sum;
}

const columnNorm = (x: Float64Array, rows: number, width: number, k: number): number =>
  Math.sqrt(dot(x, rows, width, k, k));
const columnNorms = (x: Float64Array, rows: number, width: number): number[] =>
  Array.from({ length: width }, (_, k) => columnNorm(x, rows, width, k));
