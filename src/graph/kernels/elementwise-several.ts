import type { OpName } from "../schemas.ts";
import type { DataType } from "../tensor.ts";
import { type Call, type Kernel, type Kernels, required, unsupported } from "./kernel.ts";
import { fromBits, isFloat, type NdArray, ndArray, settle, toBits } from "./nd-array.ts";
import { broadcastDims, expand } from "./offsets.ts";

type Pair = (a: number, b: number) => number;

/** Both arrays broadcast to each other and joined element by element. */
function joined(a: NdArray, b: NdArray, f: Pair, dtype: DataType = a.dtype): NdArray {
  const dims = broadcastDims([a.dims, b.dims]);
  const [left, right] = [expand(a, dims).data, expand(b, dims).data];
  const data = new Float64Array(left.length);
  for (let i = 0; i < data.length; i++) data[i] = f(left[i]!, right[i]!);
  return settle(ndArray(dtype, dims, data));
}

/** A kernel of two inputs; its result has the first one's type or the one given. */
const pair =
  (f: Pair, dtype?: DataType): Kernel<OpName> =>
  (call) => [joined(required(call, 0), required(call, 1), f, dtype)];

/** The same, of exact integers. */
const bits = (call: Call<OpName>, f: (a: bigint, b: bigint) => bigint): readonly NdArray[] => {
  const a = required(call, 0);
  return [joined(a, required(call, 1), (x, y) => fromBits(f(toBits(x), toBits(y)), a.dtype))];
};

/** A kernel that folds any number of inputs, broadcast to each other, from the left. */
const fold =
  (f: Pair, finish?: (total: number, count: number) => number): Kernel<OpName> =>
  ({ inputs }) => {
    const given = inputs.filter((input) => input !== undefined);
    const total = given.reduce((a, b) => joined(a, b, f));
    if (!finish) return [total];
    return [
      settle(
        ndArray(
          total.dtype,
          total.dims,
          total.data.map((x) => finish(x, given.length)),
        ),
      ),
    ];
  };

const test = (f: (a: number, b: number) => boolean) => pair((a, b) => (f(a, b) ? 1 : 0), "bool");

const mod: Kernel<"Mod"> = (call) => {
  if (!call.attributes.fmod && isFloat(required(call, 0).dtype))
    return unsupported(call.node, "divides floats with fmod = 0, which ONNX does not define");
  const remainder: Pair = call.attributes.fmod
    ? (a, b) => a % b
    : // The sign of the divisor.
      (a, b) => (a % b !== 0 && a < 0 !== b < 0 ? (a % b) + b : a % b);
  return [joined(required(call, 0), required(call, 1), remainder)];
};

const bitShift: Kernel<"BitShift"> = (call) =>
  bits(call, call.attributes.direction === "LEFT" ? (a, b) => a << b : (a, b) => a >> b);

const where: Kernel<"Where"> = (call) => {
  const [condition, x, y] = [required(call, 0), required(call, 1), required(call, 2)];
  const dims = broadcastDims([condition.dims, x.dims, y.dims]);
  const [yes, no] = [expand(x, dims).data, expand(y, dims).data];
  return [
    ndArray(
      x.dtype,
      dims,
      expand(condition, dims).data.map((c, i) => (c ? yes[i]! : no[i]!)),
    ),
  ];
};

/** Integers divide towards zero. */
const div: Kernel<"Div"> = (call) => {
  const a = required(call, 0);
  return [joined(a, required(call, 1), isFloat(a.dtype) ? (x, y) => x / y : (x, y) => Math.trunc(x / y))];
};

export const elementwiseSeveral = {
  Add: pair((a, b) => a + b),
  Sub: pair((a, b) => a - b),
  Mul: pair((a, b) => a * b),
  Div: div,
  Pow: pair((a, b) => a ** b),
  PRelu: pair((x, slope) => (x < 0 ? slope * x : x)),
  Mod: mod,
  Sum: fold((a, b) => a + b),
  Mean: fold(
    (a, b) => a + b,
    (total, count) => total / count,
  ),
  Max: fold(Math.max),
  Min: fold(Math.min),
  Where: where,
  And: test((a, b) => a !== 0 && b !== 0),
  Or: test((a, b) => a !== 0 || b !== 0),
  Xor: test((a, b) => (a !== 0) !== (b !== 0)),
  Equal: test((a, b) => a === b),
  Greater: test((a, b) => a > b),
  GreaterOrEqual: test((a, b) => a >= b),
  Less: test((a, b) => a < b),
  LessOrEqual: test((a, b) => a <= b),
  BitwiseAnd: (call) => bits(call, (a, b) => a & b),
  BitwiseOr: (call) => bits(call, (a, b) => a | b),
  BitwiseXor: (call) => bits(call, (a, b) => a ^ b),
  BitShift: bitShift,
} satisfies Kernels;
