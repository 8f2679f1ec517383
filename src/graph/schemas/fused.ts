import { ints, type Schema, unary, windows } from "./schema.ts";

const skipNormalized = { outputs: ["output", "mean?", "inv_std_var?", "input_skip_bias_sum?"] } as const;
const floats: readonly number[] = ints;

/** Older names of ONNX Runtime's domain for what the main one, or FusedMatMul, has. */
const aliases = {
  "com.microsoft.ExpandDims": { inputs: ["X", "axis"], outputs: ["Y"], attributes: {} },
  "com.microsoft.GatherND": { inputs: ["data", "indices"], outputs: ["output"], attributes: {} },
  "com.microsoft.GemmFastGelu": { inputs: ["X", "W", "bias?"], outputs: ["Y"], attributes: {} },
  "com.microsoft.Pad": {
    inputs: ["data", "pads", "value?"],
    outputs: ["output"],
    attributes: { mode: "constant" },
  },
  "com.microsoft.TransposeMatMul": {
    inputs: ["A", "B"],
    outputs: ["Y"],
    attributes: { alpha: 1, transA: 0, transB: 0 },
  },
  "com.microsoft.Trilu": { inputs: ["X", "k?"], outputs: ["Y"], attributes: { upper: 1 } },
} as const satisfies { readonly [op: string]: Schema };

/** What runtimes' optimisers and builders write for several operators at once; but for attention. */
export const fused = {
  ...aliases,
  SimplifiedLayerNormalization: {
    inputs: ["X", "scale"],
    outputs: ["Y", "inv_std_var?"],
    attributes: { axis: -1, epsilon: 1e-5, stash_type: 1 },
  },
  "com.microsoft.SkipLayerNormalization": {
    ...skipNormalized,
    inputs: ["input", "skip", "gamma", "beta?", "bias?"],
    attributes: { epsilon: 1e-12 },
  },
  "com.microsoft.SkipSimplifiedLayerNormalization": {
    ...skipNormalized,
    inputs: ["input", "skip", "gamma", "bias?"],
    attributes: { epsilon: 1e-12 },
  },
  "com.microsoft.EmbedLayerNormalization": {
    inputs: [
      "input_ids",
      "segment_ids?",
      "word_embedding",
      "position_embedding",
      "segment_embedding?",
      "gamma",
      "beta",
      "mask?",
      "position_ids?",
    ],
    outputs: ["output", "mask_index?", "embedding_sum?"],
    attributes: { epsilon: 1e-12, mask_index_type: 1 },
  },
  "com.microsoft.BiasGelu": { inputs: ["A", "B"], outputs: ["C"], attributes: {} },
  "com.microsoft.FastGelu": { inputs: ["X", "bias?"], outputs: ["Y"], attributes: {} },
  "com.microsoft.QuickGelu": { ...unary, attributes: { alpha: 1.702 } },
  "com.microsoft.BiasSplitGelu": { inputs: ["X", "bias"], outputs: ["Y"], attributes: {} },
  "com.microsoft.BiasAdd": { inputs: ["X", "bias", "skip"], outputs: ["Y"], attributes: {} },
  "com.microsoft.BiasSoftmax": {
    inputs: ["data", "bias"],
    outputs: ["output"],
    attributes: { axis: 1, is_inner_broadcast: 0 },
  },
  "com.microsoft.FusedGemm": {
    inputs: ["A", "B", "C?"],
    outputs: ["Y"],
    attributes: {
      alpha: 1,
      beta: 1,
      transA: 0,
      transB: 0,
      activation: "",
      activation_alpha: undefined as number | undefined,
      activation_beta: undefined as number | undefined,
      activation_gamma: undefined as number | undefined,
    },
  },
  "com.microsoft.MoE": {
    inputs: [
      "input",
      "router_probs",
      "fc1_experts_weights",
      "fc1_experts_bias?",
      "fc2_experts_weights",
      "fc2_experts_bias?",
      "fc3_experts_weights?",
      "fc3_experts_bias?",
    ],
    outputs: ["output"],
    attributes: {
      activation_alpha: 1,
      activation_beta: 0,
      activation_type: "relu",
      k: 1,
      normalize_routing_weights: 0,
      swiglu_fusion: 0,
      swiglu_limit: Number.POSITIVE_INFINITY,
      use_sparse_mixer: 0,
    },
  },
  "com.microsoft.FusedConv": {
    inputs: ["X", "W", "B?", "Z?"],
    outputs: ["Y"],
    attributes: { ...windows, group: 1, activation: "", activation_params: floats },
  },
  "com.microsoft.NhwcConv": {
    inputs: ["X", "W", "B?"],
    outputs: ["Y"],
    attributes: { ...windows, group: 1 },
  },
  "com.microsoft.GroupNorm": {
    inputs: ["X", "gamma", "beta"],
    outputs: ["Y"],
    attributes: { activation: 0, channels_last: 1, epsilon: 1e-5, groups: 1 },
  },
  "com.microsoft.SkipGroupNorm": {
    inputs: ["X", "gamma", "beta", "skip", "bias?"],
    outputs: ["Y", "S?"],
    attributes: { activation: 0, channels_last: 1, epsilon: 1e-5, groups: 1 },
  },
} as const satisfies { readonly [op: string]: Schema };
