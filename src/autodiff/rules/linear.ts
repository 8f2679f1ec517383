import { type GraphBuilder, range, rankOf } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import { reduceTo } from "../reduce.ts";
import type { GradRules } from "../rule.ts";
import { determinant } from "./determinant.ts";
import { einsumGradient } from "./einsum.ts";

/** The first axis as the last but one, before which the batch comes then. */
const rowsLast = (g: GraphBuilder, x: Value): Value =>
  g.transpose(x, [...range(1, rankOf(x) - 1), 0, rankOf(x) - 1]);

/** The opposite. */
const rowsFirst = (g: GraphBuilder, x: Value): Value =>
  g.transpose(x, [rankOf(x) - 2, ...range(rankOf(x) - 2), rankOf(x) - 1]);

export const linear = {
  // Y = A·B   dA = dY·Bᵀ   dB = Aᵀ·dY
  MatMul: [
    ({ g, dy, x: [, b] }) => g.product(dy, b, { transB: true }),
    ({ g, dy, x: [a] }) => g.product(a, dy, { transA: true }),
  ],
  // Y = α·A'·B'; of a transposed side the gradient is transposed, which swaps the sides of its product
  "com.microsoft.FusedMatMul": [
    ({ g, dy, x: [, b], attrs: { alpha, transA, transB, transBatchA, transBatchB } }) => {
      const right = transBatchB ? rowsLast(g, b) : b;
      const made = transA
        ? g.product(right, dy, { alpha, transA: transB === 1, transB: true })
        : g.product(dy, right, { alpha, transB: transB === 0 });
      return transBatchA ? rowsFirst(g, made) : made;
    },
    ({ g, dy, x: [a], attrs: { alpha, transA, transB, transBatchA, transBatchB } }) => {
      const left = transBatchA ? rowsLast(g, a) : a;
      const made = transB
        ? g.product(dy, left, { alpha, transA: true, transB: transA === 1 })
        : g.product(left, dy, { alpha, transA: transA === 0 });
      return transBatchB ? rowsFirst(g, made) : made;
    },
  ],
  // Y = α·A'·B' + β·C   dA' = α·dY·B'ᵀ   dB' = α·A'ᵀ·dY   dC = β·dY
  Gemm: [
    ({ g, dy, x: [, b], attrs: { alpha, transA, transB } }) =>
      transA
        ? g.product(b, dy, { alpha, transA: transB === 1, transB: true })
        : g.product(dy, b, { alpha, transB: transB === 0 }),
    ({ g, dy, x: [a], attrs: { alpha, transA, transB } }) =>
      transB
        ? g.product(dy, a, { alpha, transA: true, transB: transA === 1 })
        : g.product(a, dy, { alpha, transA: transA === 0 }),
    // which axes C was repeated along may be known at run time only
    ({ g, dy, x: [, , c], attrs: { beta } }) => reduceTo(g, beta === 1 ? dy : g.mul(beta, dy), c),
  ],
  Det: [determinant],
  Einsum: [einsumGradient],
} satisfies Partial<GradRules>;
