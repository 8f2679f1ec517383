import { entryOf } from "../base/entry-of.ts";
import { DiapasonError } from "../base/errors.ts";
import { type ByteSource, bitsOf, type DataType, sizeOf, type Tensor } from "../graph/tensor.ts";
import { repeatedKey } from "./json-keys.ts";
import { standInBytes, standInOf } from "./stand-in.ts";

/** What a safetensors file holds. */
export interface Safetensors {
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** The file's `__metadata__`. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** The part of a file from `offset`. */
export type ByteRange = (offset: number, length: number) => ByteSource;

const dtypes: { readonly [name: string]: DataType } = {
  F64: "float64",
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
  F8_E4M3: "float8e4m3fn",
  F8_E4M3FNUZ: "float8e4m3fnuz",
  F8_E5M2: "float8e5m2",
  F8_E5M2FNUZ: "float8e5m2fnuz",
  F8_E8M0: "float8e8m0",
  F4: "float4e2m1",
  I64: "int64",
  I32: "int32",
  I16: "int16",
  I8: "int8",
  U64: "uint64",
  U32: "uint32",
  U16: "uint16",
  U8: "uint8",
  BOOL: "bool",
  C64: "complex64",
};
const names = new Map(Object.entries(dtypes).map(([name, dtype]) => [dtype, name]));

/** The format's own limit on its header. */
const longestHeader = 100_000_000;

/**
 * Reads a safetensors file: 8 bytes of header length (little-endian), a JSON header, the bytes of the tensors.
 * Source: the format's description, github.com/huggingface/safetensors. Weights are not read here.
 *
 * @throws formats/safetensors-damaged when the header or the tensors' places do not hold together.
 */
export function readSafetensors(length: number, range: ByteRange): Safetensors {
  if (length < 8) throw damaged(`it has ${length} bytes, a header alone needs 8`);
  const standIn = standInOf(range(0, Math.min(length, standInBytes)).read());
  if (standIn) throw damaged(standIn);
  const size = Number(view(range(0, 8).read()).getBigUint64(0, true));
  if (size > longestHeader) throw damaged(`its first 8 bytes claim a header of ${size} bytes`);
  if (8 + size > length) throw damaged(`it ends after ${length} bytes, inside its header of ${size}`);
  const header = parseHeader(range(8, size).read());
  const metadata = new Map<string, string>();
  const tensors = new Map<string, Tensor>();
  const spans: (readonly [number, number])[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") {
      if (typeof entry !== "object" || entry === null || Array.isArray(entry))
        throw damaged("its metadata are not a JSON object");
      for (const [key, value] of Object.entries(entry)) {
        if (typeof value !== "string") throw damaged(`its metadata "${key}" are not a text`);
        metadata.set(key, value);
      }
      continue;
    }
    const { dtype, dims, begin, end } = readEntry(name, entry);
    if (8 + size + end > length) {
      throw damaged(`tensor "${name}" ends at byte ${8 + size + end}, the file at ${length}`);
    }
    spans.push([begin, end]);
    tensors.set(name, { dtype, dims, data: range(8 + size + begin, end - begin) });
  }
  checkSpans(spans, length - 8 - size);
  return { tensors, metadata };
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  if (bytes[0] !== 0x7b) throw damaged("its header does not begin with {");
  let text = "";
  let header: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (cause) {
    throw damaged("its header is not JSON", cause);
  }
  const twice = repeatedKey(text);
  if (twice !== undefined) throw damaged(`its header has the key "${twice}" twice`);
  return header as Record<string, unknown>;
}

interface Entry {
  readonly dtype: DataType;
  readonly dims: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function readEntry(name: string, entry: unknown): Entry {
  const { dtype: type, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
  const dtype = typeof type === "string" ? entryOf(dtypes, type) : undefined;
  if (!dtype) throw damaged(`tensor "${name}" has the unknown type ${JSON.stringify(type)}`);
  if (!areSizes(shape)) throw damaged(`tensor "${name}" has the shape ${JSON.stringify(shape)}`);
  if (!areSizes(offsets) || offsets.length !== 2)
    throw damaged(`tensor "${name}" lies at ${JSON.stringify(offsets)}`);
  const [begin, end] = offsets as [number, number];
  const wanted = (sizeOf(shape) * bitsOf[dtype]) / 8;
  if (end - begin !== wanted) {
    throw damaged(
      `tensor "${name}" holds ${end - begin} bytes; ${dtype} [${shape.join(", ")}] wants ${wanted}`,
    );
  }
  return { dtype, dims: shape, begin, end };
}

const areSizes = (list: unknown): list is readonly number[] =>
  Array.isArray(list) && list.every((n) => Number.isSafeInteger(n) && n >= 0);

/** The tensors must fill the file without holes and without sharing bytes. */
function checkSpans(spans: readonly (readonly [number, number])[], length: number): void {
  let at = 0;
  for (const [begin, end] of [...spans].sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    if (begin !== at)
      throw damaged(`its tensors ${begin < at ? "overlap" : "leave a hole"} at byte ${Math.min(begin, at)}`);
    at = end;
  }
  if (at !== length) throw damaged(`${length - at} bytes after the last tensor belong to none`);
}

/** What the head of a file says of a tensor. */
type Described = Pick<Tensor, "dtype" | "dims"> & { readonly data: Pick<Tensor["data"], "length"> };

/**
 * The head of a safetensors file, and its tensors in the order in which their bytes follow: by falling element size, then by
 * name, so that each starts at a multiple of its element size.
 * @throws formats/safetensors-type
 */
export function layOut<T extends Described>(
  tensors: ReadonlyMap<string, T>,
  metadata: Readonly<Record<string, string>> = {},
): { readonly head: Uint8Array; readonly order: readonly T[] } {
  const order = [...tensors].sort(([a, x], [b, y]) => bitsOf[y.dtype] - bitsOf[x.dtype] || (a < b ? -1 : 1));
  const entries: [string, unknown][] = Object.keys(metadata).length > 0 ? [["__metadata__", metadata]] : [];
  let at = 0;
  for (const [name, { dtype, dims, data }] of order) {
    const type = names.get(dtype);
    if (!type) {
      throw new DiapasonError(
        "formats/safetensors-type",
        `The tensor "${name}" has the type ${dtype}, which safetensors does not know.`,
        "Convert it to a type of the format, or save the model as ONNX.",
      );
    }
    entries.push([name, { dtype: type, shape: dims, data_offsets: [at, at + data.length] }]);
    at += data.length;
  }
  const text = JSON.stringify(Object.fromEntries(entries));
  const json = new TextEncoder().encode(text);
  const head = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  head.set(json, 8);
  view(head).setBigUint64(0, BigInt(head.length - 8), true);
  return { head, order: order.map(([, tensor]) => tensor) };
}

/** A safetensors file in pieces, in order. @throws formats/safetensors-type */
export function* writeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata?: Readonly<Record<string, string>>,
): Generator<Uint8Array> {
  const { head, order } = layOut(tensors, metadata);
  yield head;
  for (const { data } of order) yield data.read();
}

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const damaged = (why: string, cause?: unknown): DiapasonError =>
  new DiapasonError(
    "formats/safetensors-damaged",
    `This is not a whole safetensors file: ${why}.`,
    "Download or save the file again, and check that it is complete.",
    cause,
  );
