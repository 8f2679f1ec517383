import { bitsOf, type Tensor } from "../../graph/tensor.ts";
import type { SparseTensorProto } from "./onnx.generated.ts";
import { type ExternalData, malformed, readTensor, sizesOf } from "./read-tensor.ts";

/**
 * A sparse initializer as the dense tensor that runtimes make of it; its bytes come to be when they are asked for.
 * Indices are places in the flat tensor, [values], or along its axes, [values, rank], in rising order.
 * Source: comments of SparseTensorProto in onnx.proto.
 */
export function readSparse(proto: SparseTensorProto, external: ExternalData | undefined): Tensor {
  const name = proto.values?.name || "(unnamed)";
  const bad = (what: string) => malformed(name, `is sparse and ${what}`);
  if (!proto.values || !proto.indices) throw bad("lacks its values or their places");
  const values = readTensor(proto.values, external);
  const indices = readTensor(proto.indices, external);
  const { dims, elements } = sizesOf(proto.dims, name);
  const bits = bitsOf[values.dtype];
  if (bits < 8) throw bad(`of ${values.dtype}, whose elements are no whole bytes`);
  const bytes = bits / 8;
  const [count = 0] = values.dims;
  const rank = indices.dims[1];
  const fits = indices.dims[0] === count && (rank === undefined || rank === dims.length);
  if (indices.dtype !== "int64" || values.dims.length !== 1 || indices.dims.length > 2 || !fits)
    throw bad(`has ${indices.dtype} places [${indices.dims}] for values [${values.dims}]`);
  const places = placesOf(indices, dims, rank);
  let last = -1;
  for (const place of places) {
    if (place <= last || place >= elements) throw bad("has places out of order or outside of its shape");
    last = place;
  }
  const length = elements * bytes;
  let dense: Uint8Array | undefined;
  const read = () => {
    if (dense) return dense;
    dense = new Uint8Array(length);
    const source = values.data.read();
    for (const [i, place] of places.entries())
      dense.set(source.subarray(i * bytes, (i + 1) * bytes), place * bytes);
    return dense;
  };
  return { dtype: values.dtype, dims, data: { length, read } };
}

/** Places in the flat tensor; −1 for one outside of an axis. */
function placesOf(indices: Tensor, dims: readonly number[], rank: number | undefined): number[] {
  const bytes = indices.data.read().slice();
  const numbers = Array.from(new BigInt64Array(bytes.buffer), Number);
  if (rank === undefined) return numbers;
  return Array.from({ length: indices.dims[0]! }, (_, i) =>
    dims.reduce((place, size, axis) => {
      const at = numbers[i * rank + axis]!;
      return place < 0 || at < 0 || at >= size ? -1 : place * size + at;
    }, 0),
  );
}
