import { DiapasonError } from "../../base/errors.ts";
import { dataTypeOf } from "../../graph/element-types.ts";
import { type ByteSource, bitsOf, type DataType, inMemory, sizeOf, type Tensor } from "../../graph/tensor.ts";
import { type TensorProto, TensorProto_DataLocation } from "./onnx.generated.ts";

/** Finds the bytes of a tensor that lie outside the model file. */
export type ExternalData = (location: string, offset: number, length: number | undefined) => ByteSource;

/** A tensor of the file; raw bytes stay where they are, typed fields are decoded once. */
export function readTensor(proto: TensorProto, external: ExternalData | undefined): Tensor {
  const name = proto.name || "(unnamed)";
  const dtype = dataTypeOf(proto.dataType);
  if (!dtype)
    throw malformed(name, `has the element type number ${proto.dataType}, which ONNX does not define`);
  const { dims, elements } = sizesOf(proto.dims, name);
  if (dtype === "string") {
    if (proto.stringData.length !== elements)
      throw malformed(
        name,
        `holds ${proto.stringData.length} strings; its shape [${dims.join(", ")}] wants ${elements}`,
      );
    return { dtype, dims, data: inMemory(new Uint8Array(0)), strings: textsOf(proto.stringData, name) };
  }
  const expected = Math.ceil((elements * bitsOf[dtype]) / 8);
  const data = bytesOf(proto, dtype, expected, external, name);
  if (data.length !== expected)
    throw malformed(name, `holds ${data.length} bytes; ${dtype} [${dims.join(", ")}] wants ${expected}`);
  return { dtype, dims, data };
}

/** Sizes as numbers, and their product. */
export function sizesOf(sizes: readonly bigint[], name: string) {
  const dims = sizes.map(Number);
  const elements = sizeOf(dims);
  if (dims.some((d) => d < 0) || !Number.isSafeInteger(elements))
    throw malformed(name, `has the shape [${dims.join(", ")}]`);
  return { dims, elements };
}

function textsOf(encoded: readonly Uint8Array[], name: string): string[] {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  return encoded.map((bytes) => {
    try {
      return decoder.decode(bytes);
    } catch {
      throw malformed(name, "holds text that is not UTF-8");
    }
  });
}

function bytesOf(
  proto: TensorProto,
  dtype: DataType,
  expected: number,
  external: ExternalData | undefined,
  name: string,
): ByteSource {
  if (proto.dataLocation === TensorProto_DataLocation.EXTERNAL) {
    const entries = new Map(proto.externalData.map((entry) => [entry.key, entry.value]));
    const location = entries.get("location") ?? "";
    const offset = Number(entries.get("offset") ?? 0);
    const length = entries.has("length") ? Number(entries.get("length")) : expected;
    if (location === "" || !Number.isSafeInteger(offset) || offset < 0 || length !== expected) {
      throw malformed(
        name,
        `names external data at "${location}", offset ${offset}, ${length} bytes; its shape wants ${expected} bytes`,
      );
    }
    if (!external) {
      throw new DiapasonError(
        "formats/onnx-external-missing",
        `The weights of tensor "${name}" lie in another file, "${location}".`,
        "Open the model by its path, so that the files beside it can be found.",
      );
    }
    return external(location, offset, length);
  }
  if (proto.rawData.length > 0) return inMemory(proto.rawData);
  return inMemory(typedBytes(proto, dtype));
}

/** The bytes of a tensor written in one of the typed fields. Source: comments of TensorProto in onnx.proto. */
function typedBytes(proto: TensorProto, dtype: DataType): Uint8Array {
  switch (dtype) {
    case "float32":
    case "complex64":
      return bytes(Float32Array.from(proto.floatData));
    case "float64":
    case "complex128":
      return bytes(Float64Array.from(proto.doubleData));
    case "int64":
      return bytes(BigInt64Array.from(proto.int64Data));
    case "uint64":
      return bytes(BigUint64Array.from(proto.uint64Data));
    case "uint32":
      return bytes(Uint32Array.from(proto.uint64Data, Number));
    case "int32":
      return bytes(Int32Array.from(proto.int32Data));
    default:
      // Small types are held one to an int32; sub-byte types are packed already, one byte to an int32.
      return bitsOf[dtype] === 16
        ? bytes(Uint16Array.from(proto.int32Data))
        : Uint8Array.from(proto.int32Data);
  }
}

const bytes = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

export const malformed = (name: string, what: string): DiapasonError =>
  new DiapasonError(
    "formats/onnx-bad-tensor",
    `The tensor "${name}" ${what}.`,
    "Export or download the model again; the file is damaged.",
  );
