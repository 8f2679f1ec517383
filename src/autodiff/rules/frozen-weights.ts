import { codedFloats } from "../../graph/expansions/quantized-blocks.ts";
import { keepsWeightsSmall, turnedWeight, unitRows } from "../../graph/frozen-weights.ts";
import type { Value } from "../../graph/ir.ts";
import { inMemory, tensorOf } from "../../graph/tensor.ts";
import type { Backward } from "../rule.ts";

/*
 * Gradients of activations through frozen weights of few bits, without a copy of them in float32. Each gives undefined
 * where the graph does not ask for it, or the weight is stored in a form it does not know.
 */

/**
 * y = x·B: dx = dy·Bᵀ as a product of whole numbers too, each row of dy divided by its norm first. Cosine with the gradient
 * in float32: 0.998 over a BERT of 6 layers.
 */
export function throughWholeNumbers({
  g,
  x: [, weight],
  dy,
}: Backward<"com.microsoft.DynamicQuantizeMatMul">): Value | undefined {
  const turned = keepsWeightsSmall(g.graph) ? turnedWeight(weight.constant) : undefined;
  if (!turned) return undefined;
  const whole = g.tensor(turned.whole, `turned ${weight.name}`);
  const scales = g.tensor(turned.scales, `scales of turned ${weight.name}`);
  const { row, factor } = unfactored(dy);
  const { unit, norm } = unitRows(g, row);
  const dx = g.mul(g.op("com.microsoft.DynamicQuantizeMatMul", [unit, whole, scales]), norm);
  return factor ? g.mul(dx, factor) : dx;
}

/** A gradient that was just multiplied row by row, and by what: the norms of its rows then need not know. */
function unfactored(dy: Value): { readonly row: Value; readonly factor?: Value } {
  const { producer } = dy;
  const [row, factor] = producer?.inputs ?? [];
  const isByRow = producer?.op === "Mul" && factor?.detached && factor.shape?.at(-1) === 1;
  return isByRow && row && !row.constant ? { row, factor } : { row: dy };
}

/** The weight [N, K] of a MatMulNBits, made anew in every run: DequantizeLinear is not folded as other constants are. */
export function blockwiseAtRunTime(b: Backward<"com.microsoft.MatMulNBits">): Value | undefined {
  const { g, x, has, attrs } = b;
  const { K: columns, N: rows, bits, block_size: block } = attrs;
  const [, bytes, scales] = x;
  if (!keepsWeightsSmall(g.graph) || bits !== 4 || has(3) || has(4) || columns % block !== 0)
    return undefined;
  if (bytes.constant?.dtype !== "uint8") return undefined;
  const codes = g.tensor(
    { dtype: "uint4", dims: [rows, columns], data: bytes.constant.data },
    `codes ${bytes.name}`,
  );
  const zero = g.tensor(
    // two eights a byte
    tensorOf("uint4", [rows, columns / block], new Uint8Array((rows * columns) / block / 2).fill(0x88)),
    `eights ${rows} ${columns / block}`,
  );
  const steps = g.reshape(scales, [rows, columns / block]);
  return g.op("DequantizeLinear", [codes, steps, zero], { axis: 1, block_size: block });
}

/** The same of a MatMulBnb4, whose codes stand for the numbers of a table. */
export function codedAtRunTime(b: Backward<"com.microsoft.MatMulBnb4">): Value | undefined {
  const { g, x, attrs } = b;
  const { K: columns, N: rows, block_size: block, quant_type, transB } = attrs;
  const [, bytes, scales] = x;
  const count = columns * rows;
  if (!keepsWeightsSmall(g.graph) || transB !== 1 || count % block !== 0 || !bytes.constant) return undefined;
  const lowFirst = bytes.constant.data.read().map((byte) => ((byte & 15) << 4) | (byte >> 4));
  const codes = g.tensor(
    { dtype: "uint4", dims: [count / block, block], data: inMemory(lowFirst) },
    `codes ${bytes.name}`,
  );
  const numbers = g.op("DequantizeLinear", [codes, g.constant([1], "float32", [])]);
  const values = g.op("Gather", [g.constant(codedFloats(quant_type)), g.cast(numbers, "int32")]);
  const scaled = g.mul(values, g.reshape(scales, [count / block, 1]));
  return g.reshape(scaled, [rows, columns]);
}
