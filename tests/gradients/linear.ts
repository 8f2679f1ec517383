import type { GraphBuilder } from "../../src/graph/builder.ts";
import type { Value } from "../../src/graph/ir.ts";
import { type GradCase, grad } from "./grad-case.ts";

const matmul = (g: GraphBuilder, a: Value, b: Value) => g.matmul(a, b);
const fused = (transA: boolean, transB: boolean) => (g: GraphBuilder, a: Value, b: Value) =>
  g.product(a, b, { transA, transB, alpha: 0.5 });
const gemm = (transA: number, transB: number) => (g: GraphBuilder, a: Value, b: Value, c: Value) =>
  g.op("Gemm", [a, b, c], { transA, transB, alpha: 0.5, beta: 2 });
const determinant = (g: GraphBuilder, x: Value) => g.op("Det", [x]);
const einsum =
  (equation: string) =>
  (g: GraphBuilder, ...inputs: Value[]) =>
    g.op("Einsum", inputs, { equation });

export const linear: { readonly [title: string]: GradCase } = {
  MatMul: grad("2x3, 3x4", matmul),
  "MatMul, one matrix for a batch": grad("2x5x3, 3x4", matmul),
  "MatMul, one matrix for a batch of unknown size": grad("2x5x3, 3x4", matmul, { symbolic: true }),
  "MatMul, batch against batch": grad("2x5x3, 2x3x4", matmul),
  "MatMul, batches broadcast on both sides": grad("2x1x2x3, 4x3x2", matmul),
  "MatMul, one left matrix for a batch": grad("2x3, 4x3x2", matmul),
  "MatMul, vector on the left": grad("3, 3x4", matmul),
  "MatMul, vector on the left of a batch": grad("3, 2x3x4", matmul),
  "MatMul, vector on the right": grad("2x3, 3", matmul),
  "MatMul, vector on the right of a batch": grad("4x2x3, 3", matmul),
  "MatMul, two vectors": grad("3, 3", matmul),
  "MatMul, no rows": grad("0x3, 3x2", matmul),
  "MatMul, nothing to sum": grad("2x0, 0x3", matmul),
  FusedMatMul: grad("2x3, 3x4", fused(false, false)),
  "FusedMatMul, left transposed": grad("5x3x2, 5x3x4", fused(true, false)),
  "FusedMatMul, right transposed": grad("5x2x3, 4x3", fused(false, true)),
  "FusedMatMul, both transposed": grad("3x2, 4x3", fused(true, true)),
  "FusedMatMul, rows before the batch": grad("2x5x3, 3x5x4", (g, a, b) =>
    g.op("com.microsoft.FusedMatMul", [a, b], { transBatchA: 1, transBatchB: 1, alpha: 0.5 }),
  ),
  "FusedMatMul, all transposed": grad("3x5x2, 4x5x3", (g, a, b) =>
    g.op("com.microsoft.FusedMatMul", [a, b], { transBatchA: 1, transBatchB: 1, transA: 1, transB: 1 }),
  ),
  Gemm: grad("2x3, 3x4, 4", gemm(0, 0)),
  "Gemm, left transposed": grad("3x2, 3x4, 1x4", gemm(1, 0)),
  "Gemm, right transposed": grad("2x3, 4x3, 2x1", gemm(0, 1)),
  "Gemm, sizes of the bias unknown": grad("2x3, 3x4, 2x1", gemm(0, 0), { symbolic: true }),
  "Gemm, both transposed": grad("3x2, 4x3, scalar", gemm(1, 1)),
  "Gemm without a bias": grad("2x3, 3x4", (g, a, b) => g.op("Gemm", [a, b])),
  "Einsum, a product": grad("2x3, 3x4", einsum("ik,kj->ij")),
  "Einsum, attention": grad("2x3x4x5, 2x6x4x5", einsum("bqhd,bkhd->bhqk")),
  "Einsum, a batch hidden in dots": grad("2x4x3, 3x5", einsum("...k,kj->...j")),
  "Einsum without an arrow": grad("2x3, 3x4", einsum("ik,kj")),
  "Einsum, a letter of one side only is summed": grad("2x3x2, 3x4", einsum("ikz,kj->ij")),
  "Einsum, a letter of one side only is summed, beside a batch hidden in dots": grad(
    "2x3, 4x5",
    einsum("...i,jk->...ij"),
  ),
  "Einsum, a size of 1 repeated": grad("2x1, 3x4", einsum("ij,jk->ik")),
  "Einsum, a size of 1 repeated, known at run time only": grad("1x2x3, 4x3x5", einsum("...ij,...jk->...ik"), {
    symbolic: true,
  }),
  "Einsum, three sides": grad("2x3, 3x4, 4", einsum("ik,kj,j->i")),
  "Einsum, a diagonal": grad("3x3", einsum("ii->i")),
  "Einsum, a trace": grad("3x3", einsum("ii->")),
  "Einsum, diagonals of a batch, times a vector": grad("2x3x3, 3", einsum("...ii,i->...i")),
  "Einsum, a diagonal of three axes": grad("2x2x2", einsum("iii->i")),
  "Einsum, one side transposed": grad("2x3", einsum("ij->ji")),
  "Det, 1 by 1": grad("2x1x1", determinant),
  "Det, 2 by 2, sizes of the batch unknown": grad(
    "2x3x2x2",
    (g, x) => determinant(g, g.op("Reshape", [x, g.ints([0, 0, 2, 2])])),
    { symbolic: true },
  ),
  "Det of one matrix": grad("3x3", determinant),
  "Det of singular matrices": grad("2x3x3", determinant, {
    at: [[1, 2, 3, 2, 4, 6, 0, 1, 5, 1, 0, 2, 0, 0, 0, 3, 1, 4]],
  }),
  "Det of what has two columns too few": grad("4x4", determinant, {
    at: [[1, 2, 3, 4, 2, 4, 6, 8, 3, 6, 9, 12, 0, 1, 5, 2]],
  }),
  "Det, 6 by 6": grad("2x6x6", determinant),
  "Det without a row": grad("0x2x2, 3x3", (g, a, b) => [determinant(g, a), determinant(g, b)]),
};
