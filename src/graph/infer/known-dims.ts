import { fromFloat16 } from "../../base/half.ts";
import type { Dim } from "../dim.ts";
import type { Value } from "../ir.ts";
import { sizeOf, type Tensor } from "../tensor.ts";

/** Contents longer than this are never shapes; tracking them would only cost time. */
const longest = 1024;

const inferred = new WeakMap<Value, readonly Dim[]>();
const read = new WeakMap<Tensor, readonly number[]>();

/**
 * The elements of a small value, in row-major order, where they are known before running: constants, and integer
 * values computed from shapes (Shape, Gather, Concat, …), whose elements may be symbolic.
 */
export function knownDims(value: Value | undefined): readonly Dim[] | undefined {
  if (!value) return undefined;
  return value.constant ? numbersOf(value.constant) : inferred.get(value);
}

/** The elements of a small value where all of them are known numbers. */
export function knownNumbers(value: Value | undefined): readonly number[] | undefined {
  const dims = knownDims(value);
  return dims?.every((dim) => typeof dim === "number") ? dims : undefined;
}

/** @internal Inference says what it found of a value's elements. */
export function setKnownDims(value: Value, dims: readonly Dim[] | undefined): void {
  if (dims && dims.length <= longest) inferred.set(value, dims);
  else inferred.delete(value);
}

/** The elements of a small tensor of numbers as ordinary numbers; undefined for large or other ones. */
export function numbersOf(tensor: Tensor): readonly number[] | undefined {
  const count = sizeOf(tensor.dims);
  const decode = decoders[tensor.dtype];
  if (count > longest || !decode) return undefined;
  let numbers = read.get(tensor);
  if (!numbers) {
    const bytes = tensor.data.read();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    numbers = Array.from({ length: count }, (_, i) => decode(view, i));
    read.set(tensor, numbers);
  }
  return numbers;
}

const decoders: { readonly [dtype: string]: (view: DataView, index: number) => number } = {
  bool: (view, i) => view.getUint8(i),
  uint8: (view, i) => view.getUint8(i),
  int8: (view, i) => view.getInt8(i),
  uint16: (view, i) => view.getUint16(2 * i, true),
  int16: (view, i) => view.getInt16(2 * i, true),
  uint32: (view, i) => view.getUint32(4 * i, true),
  int32: (view, i) => view.getInt32(4 * i, true),
  uint64: (view, i) => Number(view.getBigUint64(8 * i, true)),
  int64: (view, i) => Number(view.getBigInt64(8 * i, true)),
  float16: (view, i) => fromFloat16(view.getUint16(2 * i, true)),
  float32: (view, i) => view.getFloat32(4 * i, true),
  float64: (view, i) => view.getFloat64(8 * i, true),
};
