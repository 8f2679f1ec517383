import { type GraphBuilder, range, rankOf } from "../builder.ts";
import { numberOf } from "../element-types.ts";
import type { Node, Value } from "../ir.ts";
import type { Composite, Expansion, Expansions } from "./expansion.ts";
import { quantizedBlocks } from "./quantized-blocks.ts";

/** The real numbers that whole ones stand for. `axis`: where a vector of scales counts along. */
function dequantized(g: GraphBuilder, x: Value, scale: Value, zero: Value | undefined, axis = 0): Value {
  if ([scale, zero].every((parameter) => !parameter || rankOf(parameter) < 2)) {
    // one zero point with a scale for each, or the other way round, is no DequantizeLinear
    const isEven = !zero || sizeOf(zero) === sizeOf(scale);
    if (isEven) return g.op("DequantizeLinear", [x, scale, zero], { axis });
  }
  const spread = (parameter: Value) => {
    const isVector = rankOf(parameter) === 1 && sizeOf(parameter) !== 1;
    return isVector ? g.unsqueeze(parameter, range(1, rankOf(x) - axis)) : parameter;
  };
  const real = g.cast(x, scale);
  return g.mul(zero ? g.sub(real, spread(g.cast(zero, scale))) : real, spread(scale));
}

const sizeOf = (parameter: Value) => (rankOf(parameter) === 0 ? 1 : parameter.shape![0]);

/** Whole numbers of the type of the zero point, or of another value where there is none. */
const quantizedLike = (
  g: GraphBuilder,
  y: Value,
  scale: Value,
  zero: Value | undefined,
  like: Value,
): Value =>
  g.op("QuantizeLinear", [y, scale, zero], zero ? {} : { output_dtype: numberOf(like.dtype ?? "uint8") });

/** An operator of one real tensor, between DequantizeLinear and QuantizeLinear. */
function between({ g, x }: Pick<Composite, "g" | "x">, make: (x: Value) => Value): Value {
  const [, , zero, scale, made] = x as readonly (Value | undefined)[];
  return quantizedLike(g, make(dequantized(g, x[0], x[1], zero)), scale!, made, x[0]);
}

const ofTwo =
  (name: "Add" | "Mul"): Expansion<"com.microsoft.QLinearAdd" | "com.microsoft.QLinearMul"> =>
  ({ g, x }) => {
    const [a, aScale, aZero, b, bScale, bZero, scale, zero] = x;
    const real = g.op(name, [dequantized(g, a, aScale, aZero), dequantized(g, b, bScale, bZero)]);
    return quantizedLike(g, real, scale, zero, a);
  };

/** Channels brought behind the batch, and back from there, where a node has them last. */
function channelsFirst(g: GraphBuilder, x: Value, last: number, make: (x: Value) => Value): Value {
  if (!last) return make(x);
  const rank = rankOf(x);
  const y = make(g.transpose(x, [0, rank - 1, ...range(1, rank - 1)]));
  return g.transpose(y, [0, ...range(2, rank), 1]);
}

const averagePool = ({ g, attrs, node }: Composite<"com.microsoft.QLinearAveragePool">, x: Value): Value => {
  const { channels_last: last, dilations: _, ...window } = attrs;
  const given = Object.fromEntries(Object.entries(window).filter(([key]) => node.attributes.has(key)));
  return channelsFirst(g, x, last, (image) => g.op("AveragePool", [image], given));
};

/** Before opset 13 the axes from `axis` on were taken as one. */
const softmax = (
  { g, attrs: { axis, opset } }: Composite<"com.microsoft.QLinearSoftmax">,
  x: Value,
): Value =>
  opset >= 13 || axis === rankOf(x) - 1
    ? g.op("Softmax", [x], { axis })
    : g.reshapeLike(g.op("Softmax", [g.op("Flatten", [x], { axis })], { axis: -1 }), x);

/** (A − a)·(B − b), times both scales, and a bias. `weight`: B, its scale, its zero point, the bias. */
function realProduct(
  g: GraphBuilder,
  a: Value,
  aScale: Value,
  aZero: Value | undefined,
  [b, bScale, bZero, bias]: readonly (Value | undefined)[],
): Value {
  const whole = g.op("MatMulInteger", [a, b, aZero, bZero]);
  const real = g.mul(g.cast(whole, aScale), g.mul(aScale, bScale!));
  return bias ? g.add(real, bias) : real;
}

/** A node's attributes, for another node that has them too. */
const attributesIn = (node: Node): { readonly [key: string]: never } =>
  Object.fromEntries([...node.attributes].map(([key, a]) => [key, a.value as never]));

/** Names of their own for the outputs that a node has. */
const namesFor = (g: GraphBuilder, node: Node): readonly string[] =>
  node.outputs.map((output, i) => (output ? g.graph.freshName(`${node.op.toLowerCase()}_${i}`) : ""));

/** The bias is whole in units of both scales. */
function convolved({ g, node, x }: Pick<Composite, "g" | "node" | "x">, image: Value = x[0]): Value {
  const [, xScale, xZero, w, wScale, wZero, scale, zero, bias] = x;
  const { channels_last: _, ...attributes } = attributesIn(node);
  const added = bias && g.mul(g.cast(bias, xScale), g.mul(xScale, wScale));
  const inputs = [dequantized(g, image, xScale, xZero), dequantized(g, w, wScale, wZero), added];
  return quantizedLike(g, g.op("Conv", inputs, attributes), scale, zero, image);
}

/** A weight [directions, from, gates · hidden] of whole numbers as an LSTM has it; scale and zero point for each direction or gate. */
function gateWeight(g: GraphBuilder, weight: Value, scale: Value, zero: Value): Value {
  const spread = (x: Value) => (rankOf(x) === 1 ? g.unsqueeze(x, [1, 2]) : g.unsqueeze(x, [1]));
  const real = g.mul(g.sub(g.cast(weight, scale), spread(g.cast(zero, scale))), spread(scale));
  return g.transpose(real, [0, 2, 1]);
}

export const quantized = {
  QLinearMatMul: ({ g, x }) => {
    const [a, aScale, aZero, b, bScale, bZero, scale, zero] = x;
    const left = dequantized(g, a, aScale, aZero, Math.max(0, rankOf(a) - 2));
    const right = dequantized(g, b, bScale, bZero, rankOf(b) - 1);
    return quantizedLike(g, g.matmul(left, right), scale, zero, a);
  },
  QLinearConv: (c) => convolved(c),
  "com.microsoft.QLinearConv": (c) =>
    channelsFirst(c.g, c.x[0], c.attrs.channels_last, (image) => convolved(c, image)),
  "com.microsoft.QLinearAdd": ofTwo("Add"),
  "com.microsoft.QLinearMul": ofTwo("Mul"),
  "com.microsoft.QLinearSigmoid": (c) => between(c, (x) => c.g.op("Sigmoid", [x])),
  "com.microsoft.QLinearLeakyRelu": (c) =>
    between(c, (x) => c.g.op("LeakyRelu", [x], { alpha: c.attrs.alpha })),
  "com.microsoft.QLinearGlobalAveragePool": (c) =>
    between(c, (x) =>
      channelsFirst(c.g, x, c.attrs.channels_last, (image) => c.g.op("GlobalAveragePool", [image])),
    ),
  "com.microsoft.QLinearAveragePool": (c) => between(c, (x) => averagePool(c, x)),
  "com.microsoft.QLinearSoftmax": (c) => between(c, (x) => softmax(c, x)),
  "com.microsoft.QLinearConcat": ({ g, x, attrs: { axis } }) => {
    const [scale, zero, ...parts] = x as readonly Value[];
    const reals = range(parts.length / 3).map((i) =>
      dequantized(g, parts[3 * i]!, parts[3 * i + 1]!, parts[3 * i + 2]),
    );
    return quantizedLike(g, g.concat(reals, axis), scale!, zero, parts[0]!);
  },
  "com.microsoft.QLinearWhere": ({ g, x }) => {
    const [condition, a, aScale, aZero, b, bScale, bZero, scale, zero] = x;
    const real = g.where(condition, dequantized(g, a, aScale, aZero), dequantized(g, b, bScale, bZero));
    return quantizedLike(g, real, scale!, zero, a);
  },
  // the addend is whole in units of both scales and alpha; without an output scale the result stays real
  "com.microsoft.QGemm": ({ g, x, attrs: { alpha, transA, transB } }) => {
    const [a, aScale, aZero, b, bScale, bZero, c, scale, zero] = x as readonly (Value | undefined)[];
    const left = dequantized(g, a!, aScale!, aZero);
    const right = dequantized(g, b!, bScale!, bZero, transB ? 0 : 1);
    const units = g.mul(g.mul(aScale!, bScale!), alpha);
    const added = c && g.mul(g.cast(c, aScale!), units);
    const real = g.op("Gemm", [left, right, added], { alpha, transA, transB });
    return scale ? quantizedLike(g, real, scale, zero, a!) : real;
  },
  "com.microsoft.MatMulIntegerToFloat": ({ g, x: [a, b, aScale, bScale, aZero, bZero, bias] }) =>
    realProduct(g, a, aScale, aZero, [b, bScale, bZero, bias]),
  "com.microsoft.DynamicQuantizeMatMul": ({ g, x: [a, ...weight] }) => {
    const names = ["q", "q_scale", "q_zero_point"].map((name) => g.graph.freshName(name));
    const { outputs } = g.node("DynamicQuantizeLinear", [a], {}, names);
    const [q, scale, zero] = outputs as readonly [Value, Value, Value];
    return realProduct(g, q, scale, zero, weight);
  },
  ...quantizedBlocks,
  // what it multiplies is not rounded here, which ONNX Runtime's kernel does at every step
  "com.microsoft.DynamicQuantizeLSTM": ({ g, node, x }) => {
    const [input, w, r, bias, lengths, h, c, peepholes, ...parameters] = x;
    const [wScale, wZero, rScale, rZero] = parameters as [Value, Value, Value, Value];
    const weights = [gateWeight(g, w, wScale, wZero), gateWeight(g, r, rScale, rZero)];
    const inputs = [input, ...weights, bias, lengths, h, c, peepholes];
    return g.node("LSTM", inputs, attributesIn(node), namesFor(g, node)).outputs;
  },
  // the attention is real; what it projects from is whole
  "com.microsoft.QAttention": ({ g, node, x }) => {
    const [input, weight, bias, scale, weightScale, mask, zero, weightZero, past] = x;
    const real = [dequantized(g, input, scale, zero), dequantized(g, weight, weightScale, weightZero, 1)];
    const inputs = [...real, bias, mask, past];
    return g.node("com.microsoft.Attention", inputs, attributesIn(node), namesFor(g, node)).outputs;
  },
  "com.microsoft.QEmbedLayerNormalization": ({ g, node, x }) => {
    const [ids, segments, words, positions, segmentTable, gamma, beta, mask, ...parameters] = x;
    const real = [words, positions, segmentTable, gamma, beta].map(
      (table, i) => table && dequantized(g, table, parameters[i]!, parameters[i + 5]),
    );
    const inputs = [ids, segments, ...real, mask];
    return g.node("com.microsoft.EmbedLayerNormalization", inputs, attributesIn(node), namesFor(g, node))
      .outputs;
  },
} as const satisfies Expansions;
