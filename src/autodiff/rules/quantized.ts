import { type GraphBuilder, rankOf } from "../../graph/builder.ts";
import {
  blocksOf,
  isBlocked,
  keptRange,
  overElements,
  quantizedType,
  type ScaleAxis,
} from "../../graph/expansions/quantization.ts";
import { blockwiseWeight, codedWeight } from "../../graph/expansions/quantized-blocks.ts";
import type { Value } from "../../graph/ir.ts";
import { reduceTo } from "../reduce.ts";
import { type Backward, type GradRule, type GradRules, noGradient } from "../rule.ts";
import { scatterAdd } from "../scatter.ts";
import { convolutionInput } from "./convolution.ts";
import { blockwiseAtRunTime, codedAtRunTime, throughWholeNumbers } from "./frozen-weights.ts";

/*
 * Whole numbers carry the gradient of the real numbers they were rounded from, in units of the whole numbers; rounding
 * passes it on as it is. What a type cannot hold passes nothing. For a scale that moves this is the gradient of learned
 * step sizes: (round(x/s) − x/s)·dy inside the range, the bound times dy outside.
 * Sources: Bengio et al. 2013, arXiv:1308.3432 (straight-through); Esser et al. 2020, arXiv:1902.08153 (step sizes).
 */

/** A gradient of every element summed to those that a scale counts for. */
function toScale(g: GraphBuilder, parts: Value, scale: Value, x: Value, along: ScaleAxis): Value {
  if (isBlocked(scale, along)) return scatterAdd(g, parts, blocksOf(g, x, along), along.axis, scale);
  const summed = reduceTo(g, parts, overElements(g, scale, x, along));
  return rankOf(scale) === rankOf(summed) ? summed : g.reshapeLike(summed, scale);
}

/** dy / scale; where dy has just been multiplied by the same scale, as a DequantizeLinear after it does, what it was before. */
function unscaled(g: GraphBuilder, dy: Value, scale: Value): Value {
  const { producer } = dy;
  const isMultiple = producer?.op === "Mul" && producer.domain === "" && producer.inputs[1] === scale;
  return isMultiple ? producer.inputs[0]! : g.div(dy, scale);
}

/** The gradient of x, of x / scale + zero point = y where the type holds it. */
function throughRounding(b: Backward<"QuantizeLinear">): Value {
  const { g, node, dy, attrs } = b;
  const [x, scale] = b.x;
  const steps = overElements(g, scale, x, attrs);
  const zero = b.has(2) ? overElements(g, g.cast(b.x[2], scale), x, attrs) : undefined;
  const dtype = quantizedType(node, attrs.output_dtype);
  const [least, greatest] = keptRange(dtype);
  const bound = (number: number) => g.mul(steps, zero ? g.sub(number, zero) : number);
  // half a unit below the least number rounds to it, which is even; half a unit above the greatest rounds out of range
  const isBelow = dtype.startsWith("float") ? g.lessOrEqual : g.less;
  const isHeld = g.op("And", [g.greaterOrEqual(x, bound(least)), isBelow(x, bound(greatest))]);
  return g.mul(unscaled(g, dy, steps), g.cast(isHeld, dy));
}

const quantize: GradRule<"QuantizeLinear" | "com.microsoft.QuantizeLinear"> = {
  inputs: [
    throughRounding as never,
    // y = x/s + z   ds = −dx·x/s
    (b) => {
      const { g, attrs } = b;
      const [x, scale] = b.x;
      const steps = overElements(g, scale, x, attrs);
      const parts = g.neg(g.mul(throughRounding(b as never), g.div(x, steps)));
      return toScale(g, parts, scale, x, attrs);
    },
    null,
  ],
  outputs: [0],
  rounds: true,
};

// y = (x − z)·s; sizes are those of y, as a runtime may not say those of whole numbers of 4 bits
const dequantize: GradRule<"DequantizeLinear" | "com.microsoft.DequantizeLinear"> = [
  ({ g, dy, y, x: [, scale], attrs }) => g.mul(dy, overElements(g, scale, y, attrs)),
  ({ g, dy, y, x, attrs, has }) => {
    const real = g.cast(x[0], dy);
    const zero = has(2) ? overElements(g, g.cast(x[2], dy), y, attrs) : undefined;
    return toScale(g, g.mul(dy, zero ? g.sub(real, zero) : real), x[1], y, attrs);
  },
  null,
];

/** Integers less their zero point, as the type of a gradient. `shape`: axes put behind those of the zero point. */
function centred(
  g: GraphBuilder,
  x: Value,
  zero: Value | undefined,
  like: Value,
  behind: readonly number[] = [],
): Value {
  const real = g.cast(x, like);
  if (!zero) return real;
  const zeros = g.cast(zero, like);
  return g.sub(real, zeros.shape?.length === 1 && zeros.shape[0] !== 1 ? g.unsqueeze(zeros, behind) : zeros);
}

export const quantized = {
  QuantizeLinear: quantize,
  DequantizeLinear: dequantize,
  "com.microsoft.QuantizeLinear": quantize,
  "com.microsoft.DequantizeLinear": dequantize,
  // the range is measured, not learned: scale and zero point count as constants, as in PyTorch
  DynamicQuantizeLinear: {
    inputs: [
      ({ g, node, dys: [dy], output }) =>
        dy
          ? unscaled(g, dy, output(1))
          : noGradient(node, "its scale, which is measured, is read without its numbers"),
    ],
    outputs: "all",
    rounds: true,
  },
  // Y = (A − a)·(B − b)
  MatMulInteger: [
    ({ g, node, dy, x: [, b] }) => g.product(dy, centred(g, b, node.inputs[3], dy), { transB: true }),
    ({ g, node, dy, x: [a] }) => g.product(centred(g, a, node.inputs[2], dy, [1]), dy, { transA: true }),
    null,
    null,
  ],
  ConvInteger: [
    (b) => {
      const { g, node, dy, x } = b;
      const behind = x[1].shape!.slice(1).map((_, i) => i + 1);
      return convolutionInput({
        ...b,
        dy,
        x: [x[0], centred(g, x[1], node.inputs[3], dy, behind)] as never,
      } as never);
    },
    null,
    null,
    null,
  ],
  QLinearMatMul: "expansion",
  QLinearConv: "expansion",
  "com.microsoft.QLinearAdd": "expansion",
  "com.microsoft.QLinearMul": "expansion",
  "com.microsoft.QLinearSigmoid": "expansion",
  "com.microsoft.QLinearLeakyRelu": "expansion",
  "com.microsoft.QLinearGlobalAveragePool": "expansion",
  "com.microsoft.QLinearAveragePool": "expansion",
  "com.microsoft.QLinearSoftmax": "expansion",
  "com.microsoft.QLinearConcat": "expansion",
  "com.microsoft.QLinearWhere": "expansion",
  "com.microsoft.QGemm": "expansion",
  "com.microsoft.MatMulIntegerToFloat": "expansion",
  // Y = A·(B − b)·s + bias, A rounded on the way; the product of the backward pass is not
  "com.microsoft.DynamicQuantizeMatMul": [
    (backward) => {
      const { g, node, dy, x } = backward;
      const [, b, scale] = x;
      return (
        throughWholeNumbers(backward) ??
        g.product(dy, g.mul(centred(g, b, node.inputs[3], dy), scale), { transB: true })
      );
    },
    null,
    null,
    null,
    ({ dy }) => dy,
  ],
  // weights are whole numbers; a real layer goes back, and forward in training
  "com.microsoft.DynamicQuantizeLSTM": "expansion",
  "com.microsoft.QMoE": "expansion",
  "com.microsoft.MatMulNBits": [
    (b) => b.g.matmul(b.dy, blockwiseAtRunTime(b) ?? blockwiseWeight(b.g, b.node, b.node.inputs, b.attrs)),
    null,
    null,
    null,
    null,
    ({ dy }) => dy,
  ],
  "com.microsoft.MatMulBnb4": [
    (b) => b.g.matmul(b.dy, codedAtRunTime(b) ?? codedWeight(b.g, b.node, b.node.inputs, b.attrs)),
    null,
    null,
  ],
  "com.microsoft.QAttention": "expansion",
  // tables, scale and shift are whole numbers, and so are what is looked up
  "com.microsoft.QEmbedLayerNormalization": "expansion",
  "com.microsoft.QLinearConv": "expansion",
  // the table is whole numbers; its scales may move
  "com.microsoft.GatherBlockQuantized": "expansion",
} satisfies Partial<GradRules>;
