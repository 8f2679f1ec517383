import { type DataType, sizeOf } from "../tensor.ts";

/**
 * An array as the reference kernels hold it: every number, also integers and bools (0 or 1), as a float64.
 *
 * Integers beyond ±2^53 are rounded to the nearest float64. Kernels never change an array they were given, and may
 * give back the same one.
 */
export interface NdArray {
  readonly dtype: DataType;
  /** Sizes, outermost first. */
  readonly dims: readonly number[];
  /** Row-major. */
  readonly data: Float64Array;
}

export const ndArray = (dtype: DataType, dims: readonly number[], data: ArrayLike<number>): NdArray => ({
  dtype,
  dims,
  data: data instanceof Float64Array ? data : Float64Array.from(data),
});

/** An array of one repeated number, by default 0. */
export function filled(dtype: DataType, dims: readonly number[], value = 0): NdArray {
  const data = new Float64Array(sizeOf(dims));
  return { dtype, dims, data: value === 0 ? data : data.fill(value) };
}

export const isFloat = (dtype: DataType): boolean => dtype.startsWith("float") || dtype === "bfloat16";

/** Bits and sign of the integer types. */
const integers: { readonly [D in DataType]?: { readonly bits: number; readonly signed: boolean } } = {
  int2: { bits: 2, signed: true },
  int4: { bits: 4, signed: true },
  int8: { bits: 8, signed: true },
  int16: { bits: 16, signed: true },
  int32: { bits: 32, signed: true },
  int64: { bits: 64, signed: true },
  uint2: { bits: 2, signed: false },
  uint4: { bits: 4, signed: false },
  uint8: { bits: 8, signed: false },
  uint16: { bits: 16, signed: false },
  uint32: { bits: 32, signed: false },
  uint64: { bits: 64, signed: false },
};

/** Least and greatest number of a type; ∓Infinity of float types. */
export function rangeOf(dtype: DataType): readonly [least: number, greatest: number] {
  const integer = integers[dtype];
  if (dtype === "bool") return [0, 1];
  if (!integer) return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const { bits, signed } = integer;
  return signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
}

/**
 * The number a type holds for the result of a calculation, in place: floats stay as they are (float32 and narrower
 * ones too), fractions of integers are cut off and what overflows wraps around, bools are 0 or 1. What is not finite
 * becomes an integer type's least number, as on x86.
 */
export function settle(array: NdArray): NdArray {
  const { dtype, data } = array;
  const [least, greatest] = rangeOf(dtype);
  if (dtype === "bool") for (let i = 0; i < data.length; i++) data[i] = data[i] === 0 ? 0 : 1;
  else if (integers[dtype]) {
    const span = greatest - least + 1;
    for (let i = 0; i < data.length; i++) {
      const whole = Number.isFinite(data[i]) ? Math.trunc(data[i]!) : least;
      // "+ 0" makes an ordinary 0 of −0, which integers do not have.
      data[i] =
        (whole >= least && whole <= greatest ? whole : whole - Math.floor((whole - least) / span) * span) + 0;
    }
  }
  return array;
}

/** A number as the exact integer that bit operations work on. */
export const toBits = (value: number): bigint => BigInt(value);
/** The number that an integer type of so many bits holds for an exact integer. */
export function fromBits(value: bigint, dtype: DataType): number {
  const { bits, signed } = integers[dtype] ?? { bits: 64, signed: true };
  return Number(signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value));
}
