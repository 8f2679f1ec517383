import { type Schema, windows } from "./schema.ts";

const quantize = {
  inputs: ["x", "y_scale", "y_zero_point?"],
  outputs: ["y"],
  attributes: { axis: 1, block_size: 0, output_dtype: 0, precision: 0, saturate: 1 },
} as const;
const dequantize = {
  inputs: ["x", "x_scale", "x_zero_point?"],
  outputs: ["y"],
  attributes: { axis: 1, block_size: 0, output_dtype: 0 },
} as const;

const one = {
  inputs: ["X", "X_scale", "X_zero_point?", "Y_scale", "Y_zero_point?"],
  outputs: ["Y"],
  attributes: {},
} as const;
const both = {
  inputs: ["A", "A_scale", "A_zero_point?", "B", "B_scale", "B_zero_point?", "C_scale", "C_zero_point?"],
  outputs: ["C"],
  attributes: {},
} as const;

/** Operators on whole numbers that stand for real ones: real = (whole − zero point) · scale. */
export const quantized = {
  QuantizeLinear: quantize,
  DequantizeLinear: dequantize,
  "com.microsoft.QuantizeLinear": quantize,
  "com.microsoft.DequantizeLinear": dequantize,
  DynamicQuantizeLinear: { inputs: ["x"], outputs: ["y", "y_scale", "y_zero_point"], attributes: {} },
  MatMulInteger: {
    inputs: ["A", "B", "a_zero_point?", "b_zero_point?"],
    outputs: ["Y"],
    attributes: {},
    broadcast: "matmul",
  },
  ConvInteger: {
    inputs: ["x", "w", "x_zero_point?", "w_zero_point?"],
    outputs: ["y"],
    attributes: { ...windows, group: 1 },
  },
  QLinearMatMul: {
    inputs: ["a", "a_scale", "a_zero_point", "b", "b_scale", "b_zero_point", "y_scale", "y_zero_point"],
    outputs: ["y"],
    attributes: {},
  },
  QLinearConv: {
    inputs: ["x", "x_scale", "x_zero_point", "w", "w_scale", "w_zero_point", "y_scale", "y_zero_point", "B?"],
    outputs: ["y"],
    attributes: { ...windows, group: 1 },
  },
  "com.microsoft.QLinearAdd": both,
  "com.microsoft.QLinearMul": both,
  "com.microsoft.QLinearSigmoid": one,
  "com.microsoft.QLinearLeakyRelu": { ...one, attributes: { alpha: 0.01 } },
  "com.microsoft.QLinearGlobalAveragePool": { ...one, attributes: { channels_last: 0 } },
  "com.microsoft.QLinearAveragePool": {
    ...one,
    attributes: { ...windows, ceil_mode: 0, channels_last: 0, count_include_pad: 0 },
  },
  "com.microsoft.QLinearSoftmax": { ...one, attributes: { axis: -1, opset: 13 } },
  "com.microsoft.QLinearConcat": {
    inputs: ["Y_scale", "Y_zero_point", "inputs*"],
    outputs: ["Y"],
    axisOf: 2,
    attributes: { axis: 0 },
  },
  "com.microsoft.QLinearWhere": {
    inputs: [
      "condition",
      "X",
      "x_scale",
      "x_zero_point",
      "Y",
      "y_scale",
      "y_zero_point",
      "z_scale",
      "z_zero_point",
    ],
    outputs: ["Z"],
    attributes: {},
  },
  "com.microsoft.QGemm": {
    inputs: [
      "A",
      "a_scale",
      "a_zero_point",
      "B",
      "b_scale",
      "b_zero_point",
      "C?",
      "y_scale?",
      "y_zero_point?",
    ],
    outputs: ["Y"],
    attributes: { alpha: 1, transA: 0, transB: 0 },
  },
  "com.microsoft.MatMulIntegerToFloat": {
    inputs: ["A", "B", "a_scale", "b_scale", "a_zero_point?", "b_zero_point?", "bias?"],
    outputs: ["Y"],
    attributes: {},
  },
  "com.microsoft.DynamicQuantizeMatMul": {
    inputs: ["A", "B", "b_scale", "b_zero_point?", "bias?"],
    outputs: ["Y"],
    attributes: {},
  },
  "com.microsoft.MatMulNBits": {
    inputs: ["A", "B", "scales", "zero_points?", "g_idx?", "bias?"],
    outputs: ["Y"],
    attributes: { K: 0, N: 0, accuracy_level: 0, bits: 4, block_size: 32, weight_prepacked: 0 },
  },
  "com.microsoft.MatMulBnb4": {
    inputs: ["A", "B", "absmax"],
    outputs: ["Y"],
    attributes: { K: 0, N: 0, block_size: 64, quant_type: 1, training_mode: 0, transB: 1 },
  },
  "com.microsoft.QAttention": {
    inputs: [
      "input",
      "weight",
      "bias",
      "input_scale",
      "weight_scale",
      "mask_index?",
      "input_zero_point?",
      "weight_zero_point?",
      "past?",
    ],
    outputs: ["output", "present?"],
    attributes: {
      do_rotary: 0,
      mask_filter_value: -10000,
      num_heads: 1,
      past_present_share_buffer: 0,
      scale: 0,
      unidirectional: 0,
    },
  },
  "com.microsoft.QEmbedLayerNormalization": {
    inputs: [
      "input_ids",
      "segment_ids?",
      "word_embedding_quant",
      "position_embedding_quant",
      "segment_embedding?",
      "gamma_quant",
      "beta_quant",
      "mask?",
      "word_embedding_scale",
      "position_embedding_scale",
      "segment_embedding_scale?",
      "gamma_scale",
      "beta_scale",
      "word_embedding_zero_point",
      "position_embedding_zero_point",
      "segment_embedding_zero_point?",
      "gamma_zero_point",
      "beta_zero_point",
    ],
    outputs: ["layernorm_out", "mask_index_out"],
    attributes: { epsilon: 1e-12 },
  },
  "com.microsoft.QLinearConv": {
    inputs: ["x", "x_scale", "x_zero_point", "w", "w_scale", "w_zero_point", "y_scale", "y_zero_point", "B?"],
    outputs: ["y"],
    attributes: { ...windows, channels_last: 0, group: 1 },
  },
  "com.microsoft.GatherBlockQuantized": {
    inputs: ["data", "indices", "scales", "zero_points?"],
    outputs: ["output"],
    attributes: { bits: 4, block_size: 128, gather_axis: 0, quantize_axis: 1 },
  },
} as const satisfies { readonly [op: string]: Schema };
