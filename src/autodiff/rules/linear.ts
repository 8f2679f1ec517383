import { reduceTo } from "../reduce.ts";
import { type GradRules, noGradient } from "../rule.ts";
import { determinant } from "./determinant.ts";
import { einsumGradient } from "./einsum.ts";

export const linear = {
  // Y = A·B   dA = dY·Bᵀ   dB = Aᵀ·dY
  MatMul: [
    ({ g, dy, x: [, b] }) => g.product(dy, b, { transB: true }),
    ({ g, dy, x: [a] }) => g.product(a, dy, { transA: true }),
  ],
  // Y = α·A'·B'; of a transposed side the gradient is transposed, which swaps the sides of its product
  "com.microsoft.FusedMatMul": [
    ({ g, dy, node, x: [, b], attrs: { alpha, transA, transB, transBatchA, transBatchB } }) => {
      if (transBatchA || transBatchB) noGradient(node, "it transposes the batch");
      return transA
        ? g.product(b, dy, { alpha, transA: transB === 1, transB: true })
        : g.product(dy, b, { alpha, transB: transB === 0 });
    },
    ({ g, dy, node, x: [a], attrs: { alpha, transA, transB, transBatchA, transBatchB } }) => {
      if (transBatchA || transBatchB) noGradient(node, "it transposes the batch");
      return transB
        ? g.product(dy, a, { alpha, transA: true, transB: transA === 1 })
        : g.product(a, dy, { alpha, transA: transA === 0 });
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
