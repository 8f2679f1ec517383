/** ONNX element types by their names; the numbers of the file format live in formats/onnx. */
export type DataType =
  | "float32"
  | "float64"
  | "float16"
  | "bfloat16"
  | "float8e4m3fn"
  | "float8e4m3fnuz"
  | "float8e5m2"
  | "float8e5m2fnuz"
  | "float8e8m0"
  | "float4e2m1"
  | "int2"
  | "int4"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "uint2"
  | "uint4"
  | "uint8"
  | "uint16"
  | "uint32"
  | "uint64"
  | "bool"
  | "string"
  | "complex64"
  | "complex128";

/** Bits of one element; strings have no fixed size and count as 0. */
export const bitsOf: { readonly [D in DataType]: number } = {
  float32: 32,
  float64: 64,
  float16: 16,
  bfloat16: 16,
  float8e4m3fn: 8,
  float8e4m3fnuz: 8,
  float8e5m2: 8,
  float8e5m2fnuz: 8,
  float8e8m0: 8,
  float4e2m1: 4,
  int2: 2,
  int4: 4,
  int8: 8,
  int16: 16,
  int32: 32,
  int64: 64,
  uint2: 2,
  uint4: 4,
  uint8: 8,
  uint16: 16,
  uint32: 32,
  uint64: 64,
  bool: 8,
  string: 0,
  complex64: 64,
  complex128: 128,
};

/** Bytes that may still lie in a file: read when asked for, never copied when already in memory. */
export interface ByteSource {
  readonly length: number;
  /** The bytes, little-endian, as a view where the bytes are in memory. */
  read(): Uint8Array;
  /** Puts the bytes from `offset` on into memory that is there already, as many as it holds; without it all are read at once. */
  readInto?(target: Uint8Array, offset: number): void;
  /** Where the bytes lie when they are part of a file, so that a runtime can map them instead of reading. */
  readonly file?: { readonly path: string; readonly offset: number };
}

/** A constant array. `dims`: sizes, outermost first. Sub-byte types are packed as in ONNX, low bits first. */
export interface Tensor {
  readonly dtype: DataType;
  readonly dims: readonly number[];
  readonly data: ByteSource;
  /** Set instead of `data` (which is then empty) when dtype is "string". */
  readonly strings?: readonly string[];
}

/** Number of elements of a shape; 1 for a scalar. */
export const sizeOf = (dims: readonly number[]): number => dims.reduce((n, d) => n * d, 1);

/** Bytes already in memory. */
export const inMemory = (bytes: Uint8Array): ByteSource => ({ length: bytes.byteLength, read: () => bytes });

/** Puts bytes of a source from `offset` on into `target`, as many as it holds. */
export function readInto(source: ByteSource, target: Uint8Array, offset: number): void {
  if (source.readInto) source.readInto(target, offset);
  else target.set(source.read().subarray(offset, offset + target.length));
}

type NumberArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array;

/** A tensor over a typed array, without copying it. float16 and bfloat16 values are given as their 16-bit patterns. */
export function tensorOf(
  dtype: DataType,
  dims: readonly number[],
  array: NumberArray | BigInt64Array | BigUint64Array,
): Tensor {
  return { dtype, dims, data: inMemory(new Uint8Array(array.buffer, array.byteOffset, array.byteLength)) };
}

export const float32 = (dims: readonly number[], values: ArrayLike<number>): Tensor =>
  tensorOf("float32", dims, values instanceof Float32Array ? values : Float32Array.from(values));

/** An int64 tensor from ordinary numbers; each must be a safe integer. */
export function int64(dims: readonly number[], values: ArrayLike<number>): Tensor {
  const words = new Int32Array(values.length * 2);
  for (let i = 0; i < values.length; i++) {
    words[2 * i] = values[i]! | 0;
    words[2 * i + 1] = Math.floor(values[i]! / 2 ** 32);
  }
  return tensorOf("int64", dims, words);
}
