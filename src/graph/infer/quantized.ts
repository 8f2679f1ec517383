import { dataTypeOf } from "../element-types.ts";
import type { OpName } from "../schemas.ts";
import { matrixProduct } from "./linear.ts";
import { convolved } from "./network.ts";
import type { ShapeRule } from "./rule.ts";

/** The type is that of the zero point; without one what the node says, or uint8. */
const quantize: ShapeRule<"QuantizeLinear" | "com.microsoft.QuantizeLinear"> = (ask) => [
  {
    dtype: ask.dtype(2) ?? dataTypeOf(ask.attributes.output_dtype) ?? "uint8",
    shape: ask.shape(0),
  },
];

const dequantize: ShapeRule<"DequantizeLinear" | "com.microsoft.DequantizeLinear"> = (ask) => [
  { dtype: dataTypeOf(ask.attributes.output_dtype) ?? ask.dtype(1), shape: ask.shape(0) },
];

export const quantized = {
  QuantizeLinear: quantize,
  DequantizeLinear: dequantize,
  "com.microsoft.QuantizeLinear": quantize,
  "com.microsoft.DequantizeLinear": dequantize,
  DynamicQuantizeLinear: (ask) => [
    { dtype: "uint8", shape: ask.shape(0) },
    { dtype: "float32", shape: [] },
    { dtype: "uint8", shape: [] },
  ],
  MatMulInteger: (ask) => [
    { dtype: "int32", shape: matrixProduct(ask, ask.shape(0), ask.shape(1))[0]!.shape },
  ],
  ConvInteger: (ask) => [{ dtype: "int32", shape: convolved(ask) }],
} satisfies { readonly [N in OpName]?: ShapeRule<N> };
