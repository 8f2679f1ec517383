import { entryOf } from "../../base/entry-of.ts";
import { type GraphBuilder, rankOf } from "../builder.ts";
import type { Value } from "../ir.ts";
import { type Composite, type Expansions, noExpansion, sizesOf } from "./expansion.ts";
import { unpacked } from "./quantized-blocks.ts";

type Quantized = Composite<"com.microsoft.QMoE">;
type Experts = Composite<"com.microsoft.MoE"> | Quantized;

const swish = (g: GraphBuilder, x: Value, alpha: number): Value =>
  g.mul(x, g.op("Sigmoid", [g.mul(x, alpha)]));

/** Every second of the last axis' elements, gates before what they let through: clipped, gate · σ(α·gate) · (line + β). */
function gated({ g, attrs }: Experts, x: Value): Value {
  const { activation_alpha: alpha, activation_beta: beta, swiglu_limit: limit } = attrs;
  const every = (start: number) =>
    g.op("Slice", [x, g.ints([start]), g.ints([Number.MAX_SAFE_INTEGER]), g.ints([-1]), g.ints([2])]);
  const [gate, line] = [every(0), every(1)];
  if (!Number.isFinite(limit)) return g.mul(swish(g, gate, alpha), g.add(line, beta));
  const most = g.scalar(limit, x);
  const held = g.op("Clip", [line, g.scalar(-limit, x), most]);
  return g.mul(swish(g, g.op("Min", [gate, most]), alpha), g.add(held, beta));
}

const activations: { readonly [name: string]: (node: Experts, x: Value) => Value } = {
  gelu: ({ g }, x) => g.op("Gelu", [x], { approximate: "tanh" }),
  identity: (_, x) => x,
  relu: ({ g }, x) => g.op("Relu", [x]),
  silu: ({ g }, x) => swish(g, x, 1),
  swiglu: gated,
};

/** The weights of all experts [experts, from, to], of whole numbers around the middle, with a scale a row or a block. */
function weightsOf({ g, node, attrs }: Quantized, bytes: Value, scales: Value): Value {
  const { expert_weight_bits: bits } = attrs;
  const whole = unpacked(g, node, bytes, bits);
  const real = g.sub(g.cast(whole, scales), 2 ** (bits - 1));
  const [experts, rows, columns] = sizesOf(node, whole, "the sizes") as readonly [number, number, number];
  const blocks = rankOf(scales) === 3 ? sizesOf(node, scales, "the number of blocks", 2)[0]! : 1;
  const byBlock = g.reshape(real, [experts, rows, blocks, columns / blocks]);
  const scaled = g.mul(byBlock, g.reshape(scales, [experts, rows, blocks, 1]));
  return g.transpose(g.reshape(scaled, [experts, rows, columns]), [0, 2, 1]);
}

/**
 * Σ p · expert(x) over the k experts that a token's logits choose, p as `shares` has them. All experts are computed for all
 * tokens, and those not chosen count 0: operators of fixed sizes have no other way. `layers`: what is made of [1 or experts,
 * tokens, from] is [experts, tokens, to].
 */
function mixed(composite: Experts, layers: readonly ((of: Value) => Value)[], isNormalized: boolean): Value {
  const { g, node, x, attrs } = composite;
  const [input, logits] = x;
  const activation =
    entryOf(activations, attrs.activation_type) ??
    noExpansion(node, `its activation "${attrs.activation_type}" is not known`);
  const [first, second] = layers as readonly [(of: Value) => Value, (of: Value) => Value];
  const width = sizesOf(node, input, "the width", rankOf(input) - 1)[0]!;
  const outputs = second(activation(composite, first(g.reshape(input, [1, -1, width]))));
  const weighted = g.mul(
    outputs,
    g.unsqueeze(g.transpose(shares(composite, logits, isNormalized), [1, 0]), [2]),
  );
  return g.reshapeLike(g.op("ReduceSum", [weighted, g.ints([0])], { keepdims: 0 }), input);
}

/** [tokens, experts]: the softmax of the logits, of the k chosen ones alone where `isNormalized`; 0 for the others. */
function shares({ g, attrs }: Experts, logits: Value, isNormalized: boolean): Value {
  const softmax = (of: Value) => g.op("Softmax", [of], { axis: 1 });
  const names = ["chosen", "experts"].map((name) => g.graph.freshName(name));
  const from = isNormalized ? logits : softmax(logits);
  const { outputs: top } = g.node("TopK", [from, g.ints([attrs.k])], { axis: 1 }, names);
  const [values, experts] = top as readonly [Value, Value];
  const updates = isNormalized ? softmax(values) : values;
  return g.op("ScatterElements", [g.zerosLike(logits), experts, updates], { axis: 1 });
}

const plusBias = (g: GraphBuilder, made: Value, bias: Value | undefined): Value =>
  bias ? g.add(made, g.unsqueeze(bias, [1])) : made;

function quantized(composite: Quantized): Value {
  const { g, node, x, attrs } = composite;
  const [, , first, firstScales, firstBias, second, secondScales, secondBias, ...rest] = x;
  if (rest.some((other) => other !== undefined))
    return noExpansion(node, "it has a third layer, zero points or weights of its own for the sum");
  if (attrs.quant_type !== "int")
    return noExpansion(node, `its weights are of the type "${attrs.quant_type}"`);
  const layer = (bytes: Value, scales: Value, bias: Value | undefined) => (of: Value) =>
    plusBias(g, g.matmul(of, weightsOf(composite, bytes, scales)), bias);
  const layers = [layer(first, firstScales, firstBias), layer(second, secondScales, secondBias)];
  return mixed(composite, layers, true);
}

function plain(composite: Composite<"com.microsoft.MoE">): Value {
  const { g, node, x, attrs } = composite;
  const [, , first, firstBias, second, secondBias, third] = x;
  if (third) return noExpansion(node, "it has a third layer");
  const layer = (weight: Value, bias: Value | undefined) => (of: Value) =>
    plusBias(g, g.matmul(of, g.transpose(weight, [0, 2, 1])), bias);
  return mixed(
    composite,
    [layer(first, firstBias), layer(second, secondBias)],
    attrs.normalize_routing_weights === 1,
  );
}

export const experts = {
  "com.microsoft.MoE": plain,
  "com.microsoft.QMoE": quantized,
} as const satisfies Expansions;
