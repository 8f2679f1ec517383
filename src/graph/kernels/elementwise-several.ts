import type { OpName } from "../schemas.ts";
import { type DataType, sizeOf } from "../tensor.ts";
import { type Call, type Kernel, type Kernels, required, unsupported } from "./kernel.ts";
import { fromBits, isFloat, type NdArray, ndArray, settle, toBits } from "./nd-array.ts";
import { broadcastDims, broadcastStrides, expand, merged, offsets } from "./offsets.ts";

type Pair = (a: number, b: number) => number;

/** Where a loop reads an array: from an offset on, in steps. */
interface Row {
  readonly data: Float64Array;
  readonly from: number;
  readonly step: number;
}

/** Writes what joins the elements of two rows to `to` … `to + size − 1`. */
type Loop = (out: Float64Array, to: number, size: number, a: Row, b: Row) => void;

const looped =
  (f: Pair): Loop =>
  (out, to, size, a, b) => {
    for (let k = 0, i = a.from, j = b.from; k < size; k++, i += a.step, j += b.step)
      out[to + k] = f(a.data[i]!, b.data[j]!);
  };

/** The loops of what networks consist of are written out: a call for each element takes longer than the sum. */
const loops = {
  add: (out, to, size, { data: x, from, step }, { data: y, from: start, step: other }) => {
    for (let k = 0, i = from, j = start; k < size; k++, i += step, j += other) out[to + k] = x[i]! + y[j]!;
  },
  sub: (out, to, size, { data: x, from, step }, { data: y, from: start, step: other }) => {
    for (let k = 0, i = from, j = start; k < size; k++, i += step, j += other) out[to + k] = x[i]! - y[j]!;
  },
  mul: (out, to, size, { data: x, from, step }, { data: y, from: start, step: other }) => {
    for (let k = 0, i = from, j = start; k < size; k++, i += step, j += other) out[to + k] = x[i]! * y[j]!;
  },
  div: (out, to, size, { data: x, from, step }, { data: y, from: start, step: other }) => {
    for (let k = 0, i = from, j = start; k < size; k++, i += step, j += other) out[to + k] = x[i]! / y[j]!;
  },
} satisfies { readonly [name: string]: Loop };

/** Both arrays broadcast to each other and joined element by element. */
function joined(a: NdArray, b: NdArray, loop: Loop, dtype: DataType = a.dtype): NdArray {
  const dims = broadcastDims([a.dims, b.dims]);
  const { sizes, steps } = merged(dims, [broadcastStrides(a.dims, dims), broadcastStrides(b.dims, dims)]);
  const [left, right] = steps as [readonly number[], readonly number[]];
  const outer = sizes.slice(0, -1);
  const [fromLeft, fromRight] = [offsets(outer, left.slice(0, -1)), offsets(outer, right.slice(0, -1))];
  const size = sizes.at(-1) ?? 1;
  const data = new Float64Array(sizeOf(dims));
  for (let i = 0, to = 0; to < data.length; i++, to += size)
    loop(
      data,
      to,
      size,
      { data: a.data, from: fromLeft[i]!, step: left.at(-1) ?? 0 },
      { data: b.data, from: fromRight[i]!, step: right.at(-1) ?? 0 },
    );
  return settle(ndArray(dtype, dims, data));
}

/** A kernel of two inputs by its loop; its result has the first one's type or the one given. */
const by =
  (loop: Loop, dtype?: DataType): Kernel<OpName> =>
  (call) => [joined(required(call, 0), required(call, 1), loop, dtype)];

const pair = (f: Pair, dtype?: DataType): Kernel<OpName> => by(looped(f), dtype);

/** The same, of exact integers. */
const bits = (call: Call<OpName>, f: (a: bigint, b: bigint) => bigint): readonly NdArray[] => {
  const a = required(call, 0);
  return [
    joined(
      a,
      required(call, 1),
      looped((x, y) => fromBits(f(toBits(x), toBits(y)), a.dtype)),
    ),
  ];
};

/** A kernel that folds any number of inputs, broadcast to each other, from the left. */
const fold =
  (loop: Loop, finish?: (total: number, count: number) => number): Kernel<OpName> =>
  ({ inputs }) => {
    const given = inputs.filter((input) => input !== undefined);
    const total = given.reduce((a, b) => joined(a, b, loop));
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
  return [joined(required(call, 0), required(call, 1), looped(remainder))];
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
  return [joined(a, required(call, 1), isFloat(a.dtype) ? loops.div : looped((x, y) => Math.trunc(x / y)))];
};

export const elementwiseSeveral = {
  Add: by(loops.add),
  Sub: by(loops.sub),
  Mul: by(loops.mul),
  Div: div,
  Pow: pair((a, b) => a ** b),
  PRelu: pair((x, slope) => (x < 0 ? slope * x : x)),
  Mod: mod,
  Sum: fold(loops.add),
  Mean: fold(loops.add, (total, count) => total / count),
  Max: fold(looped(Math.max)),
  Min: fold(looped(Math.min)),
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
