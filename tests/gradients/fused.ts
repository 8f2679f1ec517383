import type { GraphBuilder } from "../../src/graph/builder.ts";
import type { Value } from "../../src/graph/ir.ts";
import type { OpName } from "../../src/graph/schemas.ts";
import { type CaseOptions, type GradCase, grad } from "./grad-case.ts";

type Attributes = { readonly [key: string]: number | string | readonly number[] };

const plain = (name: OpName, shapes: string, attributes: Attributes = {}, options: CaseOptions = {}) =>
  grad(shapes, (g, ...inputs) => g.op(name, inputs, attributes), options);

/** A normalisation of a sum, of which the loss reads the sum too. */
const skipped =
  (name: OpName, inputs: (...given: Value[]) => readonly (Value | undefined)[] = (...given) => given) =>
  (g: GraphBuilder, ...given: Value[]) => {
    const names = [g.graph.freshName("y"), "", "", g.graph.freshName("sum")];
    const [y, , , sum] = g.node(name, inputs(...given), { epsilon: 0.01 }, names).outputs;
    return [y!, sum!];
  };

const layer = "com.microsoft.SkipLayerNormalization";
const simple = "com.microsoft.SkipSimplifiedLayerNormalization";
const embed = "com.microsoft.EmbedLayerNormalization";
const ids = (g: GraphBuilder, values: readonly number[]) => g.constant(values, "int32", [2, 3]);

export const fused: { readonly [title: string]: GradCase } = {
  "SimplifiedLayerNormalization of the last axis": plain("SimplifiedLayerNormalization", "2x3x4, 4"),
  "SimplifiedLayerNormalization of two axes": plain("SimplifiedLayerNormalization", "2x3x4, 3x4", {
    axis: 1,
    epsilon: 0.1,
  }),
  "SimplifiedLayerNormalization, its deviation read": grad("2x3x4, 3x4", (g, ...all) => {
    const attributes = { axis: 1, epsilon: 0.1 };
    return g.node("SimplifiedLayerNormalization", all, attributes, ["normal", "inverse"]).outputs as Value[];
  }),
  "SimplifiedLayerNormalization, sizes unknown": plain(
    "SimplifiedLayerNormalization",
    "2x3x4, 4",
    { axis: -1 },
    { symbolic: true },
  ),
  "SkipLayerNormalization, all inputs": grad("2x3x4, 2x3x4, 4, 4, 4", skipped(layer)),
  "SkipLayerNormalization, what is added repeated": grad("2x3x4, 3x4, 4, 4", skipped(layer)),
  "SkipLayerNormalization without beta": grad(
    "2x3x4, 1x3x4, 4, 4",
    skipped(layer, (x, skip, gamma, bias) => [x, skip, gamma, undefined, bias]),
  ),
  "SkipLayerNormalization, sizes unknown": grad("2x3x4, 2x3x4, 4, 4, 4", skipped(layer), { symbolic: true }),
  SkipSimplifiedLayerNormalization: grad("2x3x4, 2x3x4, 4", skipped(simple)),
  "SkipSimplifiedLayerNormalization with a bias": grad("2x3x4, 2x3x4, 4, 4", skipped(simple)),
  "SkipSimplifiedLayerNormalization, sizes unknown": grad("2x3x4, 2x3x4, 4, 4", skipped(simple), {
    symbolic: true,
  }),
  "EmbedLayerNormalization with segments": grad(
    "7x4, 5x4, 2x4, 4, 4",
    (g, words, places, parts, gamma, beta) => {
      const given = [
        ids(g, [6, 0, 1, 1, 3, 6]),
        ids(g, [0, 1, 1, 0, 0, 0]),
        words,
        places,
        parts,
        gamma,
        beta,
      ];
      const names = [g.graph.freshName("y"), "", g.graph.freshName("sum")];
      const [y, , sum] = g.node(embed, given, { epsilon: 0.01 }, names).outputs;
      return [y!, sum!];
    },
  ),
  "EmbedLayerNormalization at given positions": grad("7x4, 5x4, 4, 4", (g, words, places, gamma, beta) => {
    const given = [ids(g, [6, 0, 1, 1, 3, 6]), undefined, words, places, undefined, gamma, beta];
    return g.op(embed, [...given, undefined, ids(g, [4, 0, 0, 1, 2, 4])]);
  }),
  "ai.onnx.ml.ArrayFeatureExtractor": grad("2x3x4", (g, x) =>
    g.op("ai.onnx.ml.ArrayFeatureExtractor", [x, g.constant([3, 0, 3], "int64", [1, 3])]),
  ),
  "ArrayFeatureExtractor of one row": grad("4", (g, x) =>
    g.op("ai.onnx.ml.ArrayFeatureExtractor", [x, g.constant([3, 0, 3, 1], "int64", [2, 2])]),
  ),
  "ai.onnx.ml.Normalizer": plain("ai.onnx.ml.Normalizer", "2x3", { norm: "MAX" }),
  "Normalizer to a sum of 1": plain("ai.onnx.ml.Normalizer", "2x3", { norm: "L1" }),
  "Normalizer to a length of 1": plain("ai.onnx.ml.Normalizer", "2x3", { norm: "L2" }),
  "ai.onnx.ml.Scaler": plain("ai.onnx.ml.Scaler", "2x3", { offset: [0.5, 1, 2], scale: [2, 3, 0.5] }),
  "Scaler by one number": plain("ai.onnx.ml.Scaler", "2x3", { scale: [2] }),
  BiasGelu: plain("com.microsoft.BiasGelu", "2x3x4, 4"),
  FastGelu: plain("com.microsoft.FastGelu", "2x3x4"),
  "FastGelu with a bias, sizes unknown": plain("com.microsoft.FastGelu", "2x3x4, 4", {}, { symbolic: true }),
  QuickGelu: plain("com.microsoft.QuickGelu", "2x3x4"),
  "QuickGelu, another slope": plain("com.microsoft.QuickGelu", "2x3x4", { alpha: 0.5 }),
  BiasSplitGelu: plain("com.microsoft.BiasSplitGelu", "2x3x8, 8"),
  BiasAdd: plain("com.microsoft.BiasAdd", "2x3x4, 4, 2x3x4"),
  "BiasSoftmax, bias over the queries": plain("com.microsoft.BiasSoftmax", "2x3x2x4, 2x1x1x4", {
    axis: 3,
    is_inner_broadcast: 1,
  }),
  "BiasSoftmax over two axes": plain("com.microsoft.BiasSoftmax", "2x3x2x4, 2x4", {
    axis: 2,
    is_inner_broadcast: 0,
  }),
  "FusedGemm, leaky": plain("com.microsoft.FusedGemm", "2x3, 4x3, 4", {
    transB: 1,
    alpha: 0.5,
    activation: "LeakyRelu",
    activation_alpha: 0.2,
  }),
  "FusedGemm without C": plain("com.microsoft.FusedGemm", "3x2, 3x4", { transA: 1, activation: "Tanh" }),
  "FusedConv, leaky": plain("com.microsoft.FusedConv", "1x2x4x4, 3x2x3x3, 3", {
    pads: [1, 1, 1, 1],
    activation: "LeakyRelu",
    activation_params: [0.2],
  }),
  "FusedConv onto a sum": plain("com.microsoft.FusedConv", "1x2x5x4, 2x1x3x3, 2, 1x2x2x1", {
    group: 2,
    strides: [2, 2],
    activation: "Sigmoid",
  }),
  NhwcConv: plain("com.microsoft.NhwcConv", "1x4x5x2, 3x2x2x2, 3", { strides: [2, 2] }),
  GroupNorm: plain("com.microsoft.GroupNorm", "2x3x2x4, 4, 4", { groups: 2, activation: 1, epsilon: 0.1 }),
  "GroupNorm, channels second": plain("com.microsoft.GroupNorm", "2x4x3x2, 4, 4", {
    groups: 2,
    activation: 0,
    channels_last: 0,
  }),
  SkipGroupNorm: plain("com.microsoft.SkipGroupNorm", "2x3x2x4, 4, 4, 2x4, 4", { groups: 2, activation: 1 }),
  "SkipGroupNorm, channels second": plain("com.microsoft.SkipGroupNorm", "2x4x3x2, 4, 4, 2x4x3x2, 4", {
    groups: 2,
    activation: 0,
    channels_last: 0,
  }),
  "com.microsoft.ExpandDims": grad("2x3", (g, x) =>
    g.op("com.microsoft.ExpandDims", [x, g.constant([-1], "int32", [])]),
  ),
  "com.microsoft.GatherND": grad("2x3x2", (g, x) =>
    g.op("com.microsoft.GatherND", [x, g.constant([1, 0, 1], "int32", [3, 1])]),
  ),
  GemmFastGelu: plain("com.microsoft.GemmFastGelu", "2x3x4, 4x5, 5"),
  "com.microsoft.Pad": grad("2x3, 1", (g, x, value) =>
    g.op("com.microsoft.Pad", [x, g.constant([0, 1, 2, 0], "int64", [1, 4]), value]),
  ),
  TransposeMatMul: plain("com.microsoft.TransposeMatMul", "2x3x4, 2x5x4", { transB: 1, alpha: 0.5 }),
  "com.microsoft.Trilu": grad("3x3", (g, x) =>
    g.op("com.microsoft.Trilu", [x, g.constant([-1], "int64", [])], { upper: 0 }),
  ),
  "MoE, shares of all experts": plain("com.microsoft.MoE", "3x4, 3x4, 4x5x4, 4x5, 4x4x5, 4x4", {
    k: 2,
    activation_type: "silu",
  }),
  "MoE, gated, three axes, shares of those chosen": plain(
    "com.microsoft.MoE",
    "1x2x4, 2x3, 3x6x4, 3x6, 3x4x3",
    { k: 2, activation_type: "swiglu", swiglu_fusion: 1, normalize_routing_weights: 1 },
  ),
};
