import { dataTypeOf } from "../element-types.ts";
import type { AttributesOf, OpName } from "../schemas.ts";
import type { DataType } from "../tensor.ts";
import { fromNdArray, toNdArray } from "./convert.ts";
import { type Call, type Kernel, type Kernels, required, unsupported } from "./kernel.ts";
import { fromBits, type NdArray, ndArray, settle, toBits } from "./nd-array.ts";
import { erf, logOnePlusExp, roundHalfToEven, sigmoid } from "./scalar.ts";
import { isSmallFloat, roundToSmall } from "./small-floats.ts";

type Scalar = (x: number) => number;

function mapped(x: NdArray, f: Scalar, dtype: DataType = x.dtype): NdArray {
  const data = new Float64Array(x.data.length);
  for (let i = 0; i < data.length; i++) data[i] = f(x.data[i]!);
  return settle(ndArray(dtype, x.dims, data));
}

/** A kernel that maps every element; its result has the input's type or the one given. */
const map =
  (f: Scalar, dtype?: DataType): Kernel<OpName> =>
  (call) => [mapped(required(call, 0), f, dtype)];

/** The same, of a function that the attributes choose. */
const mapWith =
  <N extends OpName>(choose: (attributes: AttributesOf<N>) => Scalar, dtype?: DataType): Kernel<N> =>
  (call) => [mapped(required(call, 0), choose(call.attributes), dtype)];

const gelu: Scalar = (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2));
const geluTanh: Scalar = (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

/**
 * Floats of 16 bits and more stay unrounded: a gradient check through a Cast would otherwise see steps. Smaller ones are
 * made to be coarse, and are.
 */
function cast(call: Call<"Cast" | "CastLike">, dtype: DataType | undefined): readonly NdArray[] {
  if (!dtype) return unsupported(call.node, "casts to a type that ONNX does not have");
  const x = required(call, 0);
  const isCoarse = isSmallFloat(dtype);
  const saturate = call.attributes.saturate === 1;
  const data = isCoarse ? x.data.map((value) => roundToSmall(value, dtype, saturate)) : x.data.slice();
  return [settle(ndArray(dtype, x.dims, data))];
}

/** Outside [min, max] the bound; the upper one where they cross. */
const clip: Kernel<"Clip"> = (call) => {
  const [min, max] = [call.inputs[1]?.data[0], call.inputs[2]?.data[0]];
  return [
    mapped(required(call, 0), (x) => {
      const raised = min !== undefined && x < min ? min : x;
      return max !== undefined && raised > max ? max : raised;
    }),
  ];
};

const bitwiseNot: Kernel<"BitwiseNot"> = (call) => {
  const x = required(call, 0);
  return [
    ndArray(
      x.dtype,
      x.dims,
      x.data.map((value) => fromBits(~toBits(value), x.dtype)),
    ),
  ];
};

export const elementwise = {
  Abs: map(Math.abs),
  Acos: map(Math.acos),
  Acosh: map(Math.acosh),
  Asin: map(Math.asin),
  Asinh: map(Math.asinh),
  Atan: map(Math.atan),
  Atanh: map(Math.atanh),
  Ceil: map(Math.ceil),
  Cos: map(Math.cos),
  Cosh: map(Math.cosh),
  Erf: map(erf),
  Exp: map(Math.exp),
  Floor: map(Math.floor),
  HardSwish: map((x) => x * Math.max(0, Math.min(1, x / 6 + 0.5))),
  Identity: (call) => [required(call, 0)],
  Log: map(Math.log),
  Mish: map((x) => x * Math.tanh(logOnePlusExp(x))),
  Neg: map((x) => -x),
  Reciprocal: map((x) => 1 / x),
  Relu: map((x) => Math.max(x, 0)),
  Round: map(roundHalfToEven),
  Sigmoid: map(sigmoid),
  Sign: map(Math.sign),
  Sin: map(Math.sin),
  Sinh: map(Math.sinh),
  Softplus: map(logOnePlusExp),
  Softsign: map((x) => x / (1 + Math.abs(x))),
  Sqrt: map(Math.sqrt),
  Tan: map(Math.tan),
  Tanh: map(Math.tanh),
  Not: map((x) => (x === 0 ? 1 : 0)),
  BitwiseNot: bitwiseNot,
  IsNaN: map((x) => (Number.isNaN(x) ? 1 : 0), "bool"),
  IsInf: mapWith<"IsInf">(
    ({ detect_negative, detect_positive }) =>
      (x) =>
        (detect_positive && x === Number.POSITIVE_INFINITY) ||
        (detect_negative && x === Number.NEGATIVE_INFINITY)
          ? 1
          : 0,
    "bool",
  ),
  BitCast: (call) => {
    const x = fromNdArray(required(call, 0));
    return [toNdArray({ ...x, dtype: dataTypeOf(call.attributes.to) ?? x.dtype })];
  },
  Cast: (call) => cast(call, dataTypeOf(call.attributes.to)),
  CastLike: (call) => cast(call, required(call, 1).dtype),
  Celu: mapWith<"Celu">(
    ({ alpha }) =>
      (x) =>
        x < 0 ? alpha * Math.expm1(x / alpha) : x,
  ),
  Elu: mapWith<"Elu">(
    ({ alpha }) =>
      (x) =>
        x < 0 ? alpha * Math.expm1(x) : x,
  ),
  Gelu: mapWith<"Gelu">(({ approximate }) => (approximate === "tanh" ? geluTanh : gelu)),
  HardSigmoid: mapWith<"HardSigmoid">(
    ({ alpha, beta }) =>
      (x) =>
        Math.max(0, Math.min(1, alpha * x + beta)),
  ),
  LeakyRelu: mapWith<"LeakyRelu">(
    ({ alpha }) =>
      (x) =>
        x < 0 ? alpha * x : x,
  ),
  Selu: mapWith<"Selu">(
    ({ alpha, gamma }) =>
      (x) =>
        gamma * (x > 0 ? x : alpha * Math.expm1(x)),
  ),
  Shrink: mapWith<"Shrink">(
    ({ lambd, bias }) =>
      (x) =>
        x < -lambd ? x + bias : x > lambd ? x - bias : 0,
  ),
  Swish: mapWith<"Swish">(
    ({ alpha }) =>
      (x) =>
        x * sigmoid(alpha * x),
  ),
  ThresholdedRelu: mapWith<"ThresholdedRelu">(
    ({ alpha }) =>
      (x) =>
        x > alpha ? x : 0,
  ),
  Clip: clip,
  "com.microsoft.Gelu": map(gelu),
} satisfies Kernels;
