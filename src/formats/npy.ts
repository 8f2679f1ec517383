import { entryOf } from "../base/entry-of.ts";
import { DiapasonError } from "../base/errors.ts";
import { bitsOf, type DataType, inMemory, sizeOf, type Tensor } from "../graph/tensor.ts";
import type { ByteRange } from "./safetensors.ts";

/** NumPy's letter for a kind of number, with the bytes of one, as our type. Half precision is "f2". */
const dtypes: { readonly [descr: string]: DataType } = {
  f8: "float64",
  f4: "float32",
  f2: "float16",
  i8: "int64",
  i4: "int32",
  i2: "int16",
  i1: "int8",
  u8: "uint64",
  u4: "uint32",
  u2: "uint16",
  u1: "uint8",
  b1: "bool",
  c8: "complex64",
  c16: "complex128",
};
const descrs = new Map(Object.entries(dtypes).map(([descr, dtype]) => [dtype, descr]));

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // "\x93NUMPY"

/** What a header may be long, in bytes; NumPy's own reader refuses more than 10,000 for plain arrays. */
const longestHeader = 65_536;

/**
 * Reads a .npy file: magic, version, header length, a Python dictionary with type, order and shape, the numbers.
 * Source: numpy.lib.format, versions 1.0 to 3.0. The numbers are not read here, unless their order has to be changed.
 *
 * @throws formats/npy-damaged when it is no .npy file or not a whole one, formats/npy-type when it holds no numbers.
 */
export function readNpy(length: number, range: ByteRange): Tensor {
  const { descr, fortranOrder, dims, start } = readHeader(length, range);
  const { dtype, isSwapped } = typeOf(descr);
  const wanted = (sizeOf(dims) * bitsOf[dtype]) / 8;
  if (length - start !== wanted)
    throw damaged(
      `it holds ${length - start} bytes of numbers; ${dtype} [${dims.join(", ")}] wants ${wanted}`,
    );
  const data = range(start, wanted);
  const isTransposed = fortranOrder && dims.filter((size) => size !== 1).length > 1;
  if (!isSwapped && !isTransposed) return { dtype, dims, data };
  let bytes = data.read();
  if (isSwapped) bytes = swapped(bytes, bitsOf[dtype] / 8 / (dtype.startsWith("complex") ? 2 : 1));
  if (isTransposed) bytes = rowsFirst(bytes, dims, bitsOf[dtype] / 8);
  return { dtype, dims, data: inMemory(bytes) };
}

interface Header {
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly dims: readonly number[];
  /** Where the numbers begin. */
  readonly start: number;
}

function readHeader(length: number, range: ByteRange): Header {
  if (length < 10) throw damaged(`it has ${length} bytes, a header alone needs 10`);
  const head = range(0, Math.min(12, length)).read();
  if (magic.some((byte, i) => head[i] !== byte)) throw damaged("it does not begin with NumPy's mark");
  const major = head[6]!;
  if (major < 1 || major > 3 || head[7] !== 0)
    throw damaged(`its version is ${major}.${head[7]}; 1.0 to 3.0 are known`);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const [from, size] = major === 1 ? [10, view.getUint16(8, true)] : [12, sizeOfLong(view)];
  if (size > longestHeader) throw damaged(`it claims a header of ${size} bytes`);
  if (from + size > length) throw damaged(`it ends after ${length} bytes, inside its header of ${size}`);
  const text = new TextDecoder(major === 3 ? "utf-8" : "latin1").decode(range(from, size).read());
  return { ...parseHeader(text), start: from + size };
}

function sizeOfLong(view: DataView): number {
  if (view.byteLength < 12) throw damaged(`it ends after ${view.byteLength} bytes, inside its header`);
  return view.getUint32(8, true);
}

/** The dictionary as NumPy writes it: three keys in any order, and nothing else. */
function parseHeader(text: string): Omit<Header, "start"> {
  const found: Record<string, string> = {};
  const entry = /\s*(['"])(descr|fortran_order|shape)\1\s*:\s*('[^']*'|"[^"]*"|True|False|\([^()]*\)|\[)/y;
  const body = /^\s*\{(.*)\}\s*$/s.exec(text)?.[1];
  if (body === undefined) throw damaged(`its header is ${JSON.stringify(text.slice(0, 80))}`);
  for (let at = 0; body.slice(at).trim() !== ""; ) {
    entry.lastIndex = at;
    const match = entry.exec(body);
    if (!match || match[2]! in found)
      throw damaged(`its header has ${JSON.stringify(body.slice(at, at + 60))}`);
    if (match[3] === "[") throw notNumbers("records of several fields");
    found[match[2]!] = match[3]!;
    at = entry.lastIndex;
    const comma = /\s*,/y;
    comma.lastIndex = at;
    if (comma.test(body)) at = comma.lastIndex;
    else if (body.slice(at).trim() !== "")
      throw damaged(`its header has ${JSON.stringify(body.slice(at, at + 60))}`);
  }
  const { descr, fortran_order: order, shape } = found;
  const sizes = /^\(\s*((?:\d+L?\s*,\s*)*(?:\d+L?)?)\s*\)$/.exec(shape ?? "")?.[1];
  if (!/^['"]/.test(descr ?? "") || (order !== "True" && order !== "False") || sizes === undefined)
    throw damaged(`its header is ${JSON.stringify(text.trim().slice(0, 120))}`);
  const dims = sizes.split(",").flatMap((size) => (size.trim() === "" ? [] : [Number.parseInt(size, 10)]));
  if (!dims.every(Number.isSafeInteger) || !Number.isSafeInteger(sizeOf(dims)))
    throw damaged(`it claims the shape (${dims.join(", ")})`);
  return { descr: descr!.slice(1, -1), fortranOrder: order === "True", dims };
}

function typeOf(descr: string): { readonly dtype: DataType; readonly isSwapped: boolean } {
  const [, order, kind] = /^([<>|=])?([a-zA-Z]\d*)$/.exec(descr) ?? [];
  const dtype = kind === undefined ? undefined : entryOf(dtypes, kind);
  if (dtype) return { dtype, isSwapped: order === ">" && bitsOf[dtype] > 8 };
  if (kind === "O")
    throw notNumbers("pickled Python objects, which are never loaded because loading them runs code");
  if (kind !== undefined && /^[USa]/.test(kind)) throw notNumbers(`text (${descr})`);
  if (kind !== undefined && /^[mM]/.test(kind)) throw notNumbers(`times (${descr})`);
  throw notNumbers(`elements of the type ${JSON.stringify(descr)}`);
}

/** Big-endian numbers as little-endian ones. */
function swapped(bytes: Uint8Array, width: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  for (let at = 0; at < copy.length; at += width) copy.subarray(at, at + width).reverse();
  return copy;
}

/** An array laid down with its first axis fastest (Fortran's order) as one with its last axis fastest. */
function rowsFirst(bytes: Uint8Array, dims: readonly number[], width: number): Uint8Array {
  const target = new Uint8Array(bytes.length);
  const index = dims.map(() => 0);
  const strides = dims.map((_, axis) => width * sizeOf(dims.slice(0, axis)));
  let from = 0;
  for (let at = 0; at < target.length; at += width) {
    for (let i = 0; i < width; i++) target[at + i] = bytes[from + i]!;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < dims[axis]!) break;
      from -= strides[axis]! * dims[axis]!;
      index[axis] = 0;
    }
  }
  return target;
}

/**
 * A tensor as a .npy file, version 1.0.
 * @throws formats/npy-type for a type that NumPy does not have
 */
export function writeNpy({ dtype, dims, data }: Tensor): Uint8Array {
  const descr = descrs.get(dtype);
  if (!descr)
    throw new DiapasonError(
      "formats/npy-type",
      `The array has the type ${dtype}, which NumPy does not have.`,
      "Write it as safetensors instead.",
    );
  const shape = dims.length === 1 ? `(${dims[0]},)` : `(${dims.join(", ")})`;
  const order = bitsOf[dtype] === 8 ? "|" : "<";
  const text = `{'descr': '${order}${descr}', 'fortran_order': False, 'shape': ${shape}, }`;
  // Header and all before it are a multiple of 64 bytes, so that the numbers may be mapped; it ends in a line break.
  const padded = `${text.padEnd(Math.ceil((10 + text.length + 1) / 64) * 64 - 11)}\n`;
  const file = new Uint8Array(10 + padded.length + data.length);
  file.set([...magic, 1, 0, padded.length & 255, padded.length >> 8]);
  file.set(new TextEncoder().encode(padded), 10);
  file.set(data.read(), 10 + padded.length);
  return file;
}

const damaged = (why: string): DiapasonError =>
  new DiapasonError(
    "formats/npy-damaged",
    `This is not a whole .npy array: ${why}.`,
    "Write the array again with numpy.save or numpy.savez, and check that the file is complete.",
  );

const notNumbers = (what: string): DiapasonError =>
  new DiapasonError(
    "formats/npy-type",
    `This .npy array holds ${what}; only plain numbers and booleans are read.`,
    "Save it as an array of numbers, for example with array.astype(numpy.float32).",
  );
