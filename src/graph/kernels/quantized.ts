import { dataTypeOf } from "../element-types.ts";
import type { DataType } from "../tensor.ts";
import { type Call, type Kernel, type Kernels, required } from "./kernel.ts";
import { matmul } from "./linear.ts";
import { filled, isFloat, type NdArray, ndArray, rangeOf } from "./nd-array.ts";
import { expand, pick, range, reshaped } from "./offsets.ts";
import { roundHalfToEven } from "./scalar.ts";
import { isSmallFloat, roundToSmall } from "./small-floats.ts";
import { convolution } from "./windows.ts";

type Linear = "QuantizeLinear" | "DequantizeLinear";

/** The scale or zero point of every element: of the whole, of its place along an axis, or of its block there. */
function ofElements({ attributes }: Call<Linear>, parameter: NdArray, dims: readonly number[]): NdArray {
  const { axis, block_size: block } = attributes;
  if (parameter.data.length === 1 && block === 0) return expand(reshaped(parameter, []), dims);
  if (block === 0) {
    const along = dims.map((_, i) => (i === axis ? parameter.data.length : 1));
    return expand(reshaped(parameter, along), dims);
  }
  return pick(
    parameter,
    dims.map((size, i) => range(size).map((place) => (i === axis ? Math.floor(place / block) : place))),
  );
}

/** Held inside the type; floats of 8 bits rounded to it, where what overflows is only held back with `saturate`. */
function rounded(values: NdArray, saturate: boolean): NdArray {
  const { dtype, dims, data } = values;
  if (isSmallFloat(dtype))
    return ndArray(
      dtype,
      dims,
      data.map((value) => roundToSmall(value, dtype, saturate)),
    );
  const [least, greatest] = rangeOf(dtype);
  return ndArray(
    dtype,
    dims,
    data.map((value) => Math.min(greatest, Math.max(least, value)) + 0),
  );
}

/** y = round(x / scale) + zero point, in float32 as runtimes divide: a half there decides which way is up. */
function quantizedTo(call: Call<"QuantizeLinear">, dtype: DataType): NdArray {
  const x = required(call, 0);
  const scale = ofElements(call, required(call, 1), x.dims).data;
  const zero = call.inputs[2] && ofElements(call, call.inputs[2], x.dims).data;
  const round = isFloat(dtype) ? (value: number) => value : roundHalfToEven;
  const data = x.data.map(
    (value, i) => round(Math.fround(Math.fround(value) / Math.fround(scale[i]!))) + (zero?.[i] ?? 0),
  );
  return rounded(ndArray(dtype, x.dims, data), call.attributes.saturate === 1);
}

const quantize: Kernel<"QuantizeLinear" | "com.microsoft.QuantizeLinear"> = (call) => [
  quantizedTo(call, call.inputs[2]?.dtype ?? dataTypeOf(call.attributes.output_dtype) ?? "uint8"),
];

const dequantize: Kernel<"DequantizeLinear" | "com.microsoft.DequantizeLinear"> = (call) => {
  const x = required(call, 0);
  const scales = required(call, 1);
  const scale = ofElements(call, scales, x.dims).data;
  const zero = call.inputs[2] && ofElements(call, call.inputs[2], x.dims).data;
  return [
    ndArray(
      scales.dtype,
      x.dims,
      x.data.map((value, i) => (value - (zero?.[i] ?? 0)) * scale[i]!),
    ),
  ];
};

/** To uint8, by the range of the numbers and 0. */
const dynamicQuantize: Kernel<"DynamicQuantizeLinear"> = (call) => {
  const x = required(call, 0);
  const least = x.data.reduce((a, b) => Math.min(a, b), 0);
  const greatest = x.data.reduce((a, b) => Math.max(a, b), 0);
  const scale = greatest === least ? 1 : Math.fround((greatest - least) / 255);
  const zero = roundHalfToEven(Math.min(255, Math.max(0, Math.fround(-least / scale)))) + 0;
  const [scales, zeros] = [filled("float32", [], scale), filled("uint8", [], zero)];
  const attributes = { axis: 1, block_size: 0, output_dtype: 0, precision: 0, saturate: 1 };
  const y = quantizedTo({ ...call, inputs: [x, scales, zeros], attributes }, "uint8");
  return [y, scales, zeros];
};

/** Integers less their zero point, as int32. */
function centred(x: NdArray, zero: NdArray | undefined, dims: readonly number[] = []): NdArray {
  const zeros =
    zero && expand(zero.data.length === 1 ? reshaped(zero, []) : reshaped(zero, dims), x.dims).data;
  return ndArray(
    "int32",
    x.dims,
    x.data.map((value, i) => value - (zeros?.[i] ?? 0)),
  );
}

const matMulInteger: Kernel<"MatMulInteger"> = (call) => {
  const [a, b] = [required(call, 0), required(call, 1)];
  const [, , aZero, bZero] = call.inputs;
  // one zero point a row of A: [rows] or [..., rows, 1]
  const rows = aZero?.dims.length === 1 ? [aZero.data.length, 1] : aZero?.dims;
  return [matmul(centred(a, aZero, rows), centred(b, bZero, bZero?.dims))];
};

const convInteger: Kernel<"ConvInteger"> = (call) => {
  const [x, w] = [required(call, 0), required(call, 1)];
  const [, , xZero, wZero] = call.inputs;
  const kernels = [w.dims[0]!, ...w.dims.slice(1).map(() => 1)];
  return [convolution({ ...call, inputs: [centred(x, xZero), centred(w, wZero, kernels)] })];
};

export const quantized = {
  QuantizeLinear: quantize,
  DequantizeLinear: dequantize,
  "com.microsoft.QuantizeLinear": quantize,
  "com.microsoft.DequantizeLinear": dequantize,
  DynamicQuantizeLinear: dynamicQuantize,
  MatMulInteger: matMulInteger,
  ConvInteger: convInteger,
} satisfies Kernels;
