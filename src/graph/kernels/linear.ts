import { sizeOf } from "../tensor.ts";
import { einsum } from "./einsum.ts";
import { type Kernel, type Kernels, required, shapeMismatch } from "./kernel.ts";
import { type NdArray, ndArray, settle } from "./nd-array.ts";
import { broadcastDims, broadcastStrides, expand, offsets, range, reshaped, transpose } from "./offsets.ts";
import { addProduct } from "./products.ts";

/** The matrix product over the last two axes, the others broadcast; a vector is a row on the left, a column on the right. */
export function matmul(a: NdArray, b: NdArray): NdArray {
  if (a.dims.length === 0 || b.dims.length === 0)
    return shapeMismatch("MatMul", "one side is a scalar", "Multiply by a scalar with Mul.");
  const left = a.dims.length === 1 ? reshaped(a, [1, ...a.dims]) : a;
  const right = b.dims.length === 1 ? reshaped(b, [...b.dims, 1]) : b;
  const [rows, shared] = left.dims.slice(-2) as [number, number];
  const [reads, columns] = right.dims.slice(-2) as [number, number];
  if (shared !== reads)
    return shapeMismatch(
      `MatMul [${a.dims}] · [${b.dims}]`,
      `the left side has ${shared} columns, the right side has ${reads} rows`,
      "Transpose one side, or check that both were built for the same width.",
    );
  const batch = broadcastDims([left.dims.slice(0, -2), right.dims.slice(0, -2)]);
  const starts = (x: NdArray) => offsets(batch, broadcastStrides(x.dims.slice(0, -2), batch));
  const [fromLeft, fromRight] = [starts(left), starts(right)];
  const data = new Float64Array(fromLeft.length * rows * columns);
  for (let m = 0; m < fromLeft.length; m++) {
    const [atLeft, atRight] = [fromLeft[m]! * rows * shared, fromRight[m]! * shared * columns];
    addProduct(
      left.data.subarray(atLeft, atLeft + rows * shared),
      (into, k, column) => {
        const from = atRight + k * columns + column;
        into.set(right.data.subarray(from, from + into.length));
      },
      data.subarray(m * rows * columns, (m + 1) * rows * columns),
      [rows, shared, columns],
    );
  }
  const dims = [...batch, ...(a.dims.length === 1 ? [] : [rows]), ...(b.dims.length === 1 ? [] : [columns])];
  return settle(ndArray(a.dtype, dims, data));
}

const scaled = (x: NdArray, factor: number): NdArray =>
  factor === 1
    ? x
    : settle(
        ndArray(
          x.dtype,
          x.dims,
          x.data.map((value) => value * factor),
        ),
      );

/** The array with its last two axes exchanged. */
const swapped = (x: NdArray): NdArray => {
  const rank = x.dims.length;
  return transpose(x, [...range(rank - 2), rank - 1, rank - 2]);
};

const fusedMatMul: Kernel<"com.microsoft.FusedMatMul"> = (call) => {
  const { alpha, transA, transB, transBatchA, transBatchB } = call.attributes;
  const prepared = (x: NdArray, swap: number, batchFirst: number): NdArray => {
    const rank = x.dims.length;
    if (rank < 2) return x;
    // transBatch: the first axis becomes the last but one.
    const moved = batchFirst ? transpose(x, [...range(rank).slice(1, -1), 0, rank - 1]) : x;
    return swap ? swapped(moved) : moved;
  };
  const a = prepared(required(call, 0), transA, transBatchA);
  return [scaled(matmul(a, prepared(required(call, 1), transB, transBatchB)), alpha)];
};

const gemm: Kernel<"Gemm"> = (call) => {
  const { alpha, beta, transA, transB } = call.attributes;
  const [a, b, c] = [required(call, 0), required(call, 1), call.inputs[2]];
  const product = scaled(matmul(transA ? swapped(a) : a, transB ? swapped(b) : b), alpha);
  if (!c) return [product];
  const added = expand(c, product.dims).data;
  return [
    settle(
      ndArray(
        a.dtype,
        product.dims,
        product.data.map((x, i) => x + beta * added[i]!),
      ),
    ),
  ];
};

/** The product of the pivots of Gaussian elimination, the largest of each column first. */
const determinant: Kernel<"Det"> = (call) => {
  const x = required(call, 0);
  const [size, columns] = x.dims.slice(-2);
  if (size === undefined || size !== columns)
    return shapeMismatch(`Det of [${x.dims}]`, "its last two axes make no square", "Give square matrices.");
  const dims = x.dims.slice(0, -2);
  const area = size * size;
  return [
    ndArray(
      x.dtype,
      dims,
      Array.from({ length: sizeOf(dims) }, (_, i) =>
        eliminated(x.data.slice(i * area, (i + 1) * area), size),
      ),
    ),
  ];
};

/** The determinant of a row-major matrix, which is overwritten. */
function eliminated(matrix: Float64Array, size: number): number {
  const rows = range(size).map((i) => matrix.subarray(i * size, (i + 1) * size));
  let product = 1;
  for (const column of range(size)) {
    const from = range(size - column).map((i) => i + column);
    const best = from.reduce((a, b) => (Math.abs(rows[b]![column]!) > Math.abs(rows[a]![column]!) ? b : a));
    const pivot = rows[best]![column]!;
    product *= best === column ? pivot : -pivot;
    if (pivot === 0) return 0;
    [rows[column], rows[best]] = [rows[best]!, rows[column]!];
    for (const below of from.slice(1)) {
      const factor = rows[below]![column]! / pivot;
      for (const i of from) rows[below]![i]! -= factor * rows[column]![i]!;
    }
  }
  return product;
}

export const linear = {
  MatMul: (call) => [matmul(required(call, 0), required(call, 1))],
  "com.microsoft.FusedMatMul": fusedMatMul,
  Gemm: gemm,
  Det: determinant,
  Einsum: einsum,
} satisfies Kernels;
