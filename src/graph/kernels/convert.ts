import { DiapasonError } from "../../base/errors.ts";
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from "../../base/half.ts";
import { bitsOf, type DataType, sizeOf, type Tensor, tensorOf } from "../tensor.ts";
import { type NdArray, rangeOf } from "./nd-array.ts";
import { smallFloats } from "./small-floats.ts";

type Numbers = { readonly length: number; [i: number]: number };

/** Typed arrays over the bytes of types that have one. */
const wholeArrays: { readonly [D in DataType]?: (buffer: ArrayBuffer) => Numbers } = {
  float32: (buffer) => new Float32Array(buffer),
  float64: (buffer) => new Float64Array(buffer),
  int8: (buffer) => new Int8Array(buffer),
  int16: (buffer) => new Int16Array(buffer),
  int32: (buffer) => new Int32Array(buffer),
  uint8: (buffer) => new Uint8Array(buffer),
  uint16: (buffer) => new Uint16Array(buffer),
  uint32: (buffer) => new Uint32Array(buffer),
  bool: (buffer) => new Uint8Array(buffer),
};

/** Types that are kept as patterns of 2 to 16 bits: the number of a pattern, and the pattern nearest to a number. */
interface Pattern {
  readonly toNumber: (bits: number) => number;
  readonly toBits: (value: number) => number;
}

/** Integers of less than a byte; negative ones as two's complement. */
const smallInteger = (dtype: DataType): Pattern => {
  const span = 2 ** bitsOf[dtype];
  return {
    toNumber: (bits) => (bits > rangeOf(dtype)[1] ? bits - span : bits),
    toBits: (value) => (value < 0 ? value + span : value),
  };
};

const patterns: { readonly [D in DataType]?: Pattern } = {
  float16: { toNumber: fromFloat16, toBits: toFloat16 },
  bfloat16: { toNumber: fromBfloat16, toBits: toBfloat16 },
  ...smallFloats,
  int2: smallInteger("int2"),
  int4: smallInteger("int4"),
  uint2: smallInteger("uint2"),
  uint4: smallInteger("uint4"),
};

/** The numbers of a tensor of any numeric type. @throws graph/no-kernel for strings and complex numbers. */
export function toNdArray(tensor: Tensor): NdArray {
  const { dtype, dims } = tensor;
  const size = sizeOf(dims);
  const { buffer } = new Uint8Array(tensor.data.read()); // a copy, also of a Buffer, whose slice() is a view
  const whole = wholeArrays[dtype];
  if (whole) return { dtype, dims, data: Float64Array.from(whole(buffer)) };
  if (dtype === "int64") return { dtype, dims, data: Float64Array.from(new BigInt64Array(buffer), Number) };
  if (dtype === "uint64") return { dtype, dims, data: Float64Array.from(new BigUint64Array(buffer), Number) };
  const { toNumber } = patternOf(dtype);
  const bits = unpacked(buffer, bitsOf[dtype], size);
  return { dtype, dims, data: Float64Array.from(bits, toNumber) };
}

/** A tensor of an array; floats are rounded to the array's type. @throws graph/no-kernel for strings and complex numbers. */
export function fromNdArray({ dtype, dims, data }: NdArray): Tensor {
  const whole = wholeArrays[dtype];
  if (whole) {
    const buffer = new ArrayBuffer((data.length * bitsOf[dtype]) / 8);
    const array = whole(buffer);
    for (let i = 0; i < data.length; i++) array[i] = data[i]!;
    return tensorOf(dtype, dims, new Uint8Array(buffer));
  }
  if (dtype === "int64") return tensorOf(dtype, dims, BigInt64Array.from(data, wholeUpTo(2n ** 63n - 1n)));
  if (dtype === "uint64") return tensorOf(dtype, dims, BigUint64Array.from(data, wholeUpTo(2n ** 64n - 1n)));
  const { toBits } = patternOf(dtype);
  return tensorOf(dtype, dims, packed(Array.from(data, toBits), bitsOf[dtype]));
}

/** The largest number, such as the end of a Slice that takes all, is rounded up as a float. */
const wholeUpTo = (most: bigint) => (value: number) => {
  const whole = BigInt(value);
  return whole > most ? most : whole;
};

function patternOf(dtype: DataType): Pattern {
  const pattern = patterns[dtype];
  if (pattern) return pattern;
  throw new DiapasonError(
    "graph/no-kernel",
    `The reference interpreter computes with numbers; a tensor here holds ${dtype} elements.`,
    "Run the graph with a runtime instead of the interpreter.",
  );
}

/** Fields of 2 to 16 bits, low bits first. */
function unpacked(buffer: ArrayBuffer, bits: number, size: number): Uint16Array {
  if (bits === 16) return new Uint16Array(buffer);
  const bytes = new Uint8Array(buffer);
  const perByte = 8 / bits;
  return new Uint16Array(size).map(
    (_, i) => (bytes[Math.floor(i / perByte)]! >> ((i % perByte) * bits)) & (2 ** bits - 1),
  );
}

function packed(fields: readonly number[], bits: number): Uint8Array {
  if (bits === 16) return new Uint8Array(Uint16Array.from(fields).buffer);
  const perByte = 8 / bits;
  const bytes = new Uint8Array(Math.ceil(fields.length / perByte));
  for (const [i, field] of fields.entries())
    bytes[Math.floor(i / perByte)]! |= field << ((i % perByte) * bits);
  return bytes;
}
