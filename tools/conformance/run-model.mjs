import * as ort from "onnxruntime-node";
import { toNdArray } from "../../dist/graph/kernels/interpret.js";

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
};

/** A stored tensor for ONNX Runtime. @throws when its JavaScript interface has no such type */
function toOrt({ dtype, dims, data, strings }) {
  if (strings) return new ort.Tensor("string", [...strings], dims);
  const array = arrays[dtype];
  if (!array) throw new Error(`onnxruntime-node takes no ${dtype}`);
  const bytes = new Uint8Array(data.read()); // a copy of its own, which begins where a typed array may
  return new ort.Tensor(dtype, new array(bytes.buffer, 0, bytes.byteLength / array.BYTES_PER_ELEMENT), dims);
}

/** What ONNX Runtime's CPU provider computes for a model, as { outputs } by name or { refused }. */
export async function runModel(bytes, graph, inputs) {
  let session;
  try {
    const missing = graph.inputs.find((input) => !input.constant && !inputs.has(input.name));
    if (missing)
      throw new Error(
        `onnxruntime-node takes no ${missing.opaqueType ? "sequence or optional" : "empty"} input`,
      );
    // given out, a type that the interface lacks ends the process
    const strange = graph.outputs.find(
      ({ dtype, opaqueType }) => opaqueType || !(dtype === "string" || arrays[dtype]),
    );
    if (strange) throw new Error(`onnxruntime-node gives no ${strange.dtype ?? "sequence or optional"}`);
    session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 4, intraOpNumThreads: 1 });
    const feeds = Object.fromEntries([...inputs].map(([name, tensor]) => [name, toOrt(tensor)]));
    return { outputs: await session.run(feeds) };
  } catch (error) {
    return { refused: firstLine(error) };
  } finally {
    await session?.release();
  }
}

export const firstLine = (error) => (error instanceof Error ? error.message : String(error)).split("\n")[0];

/** A tensor that came out of ONNX Runtime, or a stored one, as numbers or strings. */
export function valuesOf(tensor) {
  if (tensor.strings) return { dims: tensor.dims, values: [...tensor.strings] };
  if (tensor instanceof ort.Tensor) {
    if (tensor.type === "string") return { dims: tensor.dims, values: [...tensor.data] };
    const array = tensor.data;
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    const stored = {
      dtype: tensor.type,
      dims: tensor.dims,
      data: { length: bytes.length, read: () => bytes },
    };
    return { dims: tensor.dims, values: toNdArray(stored).data };
  }
  if (tensor.data.read) return { dims: tensor.dims, values: toNdArray(tensor).data };
  return { dims: tensor.dims, values: tensor.data };
}

/**
 * Where two arrays differ by more than 1e-3 of the expected value, as ONNX's own backend test allows, and 1e-5, where that has
 * 1e-7; for numbers of 16 bits or fewer, which round elsewhere in each implementation, 2e-2. A text; undefined where they agree.
 */
export function differenceOf(name, found, expected, dtype) {
  const a = valuesOf(found);
  const b = valuesOf(expected);
  if (a.dims.join() !== b.dims.join()) return `${name} has the shape [${a.dims}], stored is [${b.dims}]`;
  const tolerance = /16|8|4/.test(dtype) && /float/.test(dtype) ? 2e-2 : 1e-3;
  for (let i = 0; i < b.values.length; i++) {
    const [x, y] = [a.values[i], b.values[i]];
    if (Object.is(x, y) || x === y || (Number.isNaN(x) && Number.isNaN(y))) continue;
    if (typeof y === "number" && Math.abs(x - y) <= 1e-5 + tolerance * Math.abs(y)) continue;
    return `${name}[${i}] is ${x}, stored is ${y}`;
  }
  return undefined;
}
