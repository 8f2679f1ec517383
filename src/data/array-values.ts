import { fromFloat16, toFloat16 } from "../base/half.ts";
import type { DataType } from "../graph/tensor.ts";

/** Types that graphs are fed. */
export type FedType = "float32" | "float64" | "float16" | "int64" | "int32" | "int8" | "uint8" | "bool";

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

export type FedArray = InstanceType<(typeof arrays)[FedType]>;

export const isFedType = (dtype: DataType | undefined): dtype is FedType =>
  dtype !== undefined && Object.hasOwn(arrays, dtype);

export const makeArray = (dtype: FedType, length: number): FedArray => new arrays[dtype](length);

const wholes: { readonly [D in FedType]?: readonly [from: number, to: number] } = {
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int8: [-128, 127],
  uint8: [0, 255],
  bool: [0, 1],
};

/** Types whose every value another type can hold; float64 counts as held by float32, which rounds it. */
const heldBy: { readonly [D in DataType]?: readonly FedType[] } = {
  float64: ["float32"],
  float32: ["float64"],
  float16: ["float32", "float64"],
  bfloat16: ["float32", "float64"],
  int32: ["int64", "float64"],
  int16: ["float32", "float64", "int64", "int32"],
  int8: ["float32", "float64", "int64", "int32"],
  uint32: ["int64", "float64"],
  uint16: ["float32", "float64", "int64", "int32"],
  uint8: ["float32", "float64", "int64", "int32"],
  bool: ["float32", "float64", "int64", "int32", "int8", "uint8"],
};

/** Whether no value of a type can be refused by another. */
export const isExactFor = (from: DataType, to: FedType): boolean =>
  from === to || (heldBy[from]?.includes(to) ?? false);

/**
 * Writes a number into an array of a type; false where that would change what it says. Floats are rounded, but not to
 * infinity; whole numbers (`isWhole`: the number comes from a type that has no others) must stay what they are.
 */
export function put(dtype: FedType, array: FedArray, i: number, value: number, isWhole: boolean): boolean {
  const range = wholes[dtype];
  if (range) {
    if (!Number.isInteger(value) || value < range[0] || value > range[1]) return false;
    if (array instanceof BigInt64Array) array[i] = BigInt(value);
    else array[i] = value;
    return true;
  }
  const half = dtype === "float16" ? toFloat16(value) : undefined;
  (array as Float32Array)[i] = half ?? value;
  const kept = half === undefined ? (array as Float32Array)[i]! : fromFloat16(half);
  if (isWhole) return kept === value && Number.isSafeInteger(value);
  return Number.isFinite(kept) || !Number.isFinite(value);
}
