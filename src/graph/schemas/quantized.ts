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
} as const satisfies { readonly [op: string]: Schema };
