import { DiapasonError } from "../base/errors.ts";
import { fromBfloat16, fromFloat16 } from "../base/half.ts";
import { openFileBytes } from "../formats/file-bytes.node.ts";
import { bitsOf, type DataType, sizeOf, type Tensor } from "../graph/tensor.ts";
import type { ArraySet } from "./array-set.ts";
import { type FedType, isExactFor, makeArray, put } from "./array-values.ts";

/** Some rows of an array, of a type that a graph is fed. */
export interface FedRows {
  readonly dtype: FedType;
  /** [rows, …] */
  readonly dims: readonly number[];
  readonly data: ReturnType<typeof makeArray>;
}

/** Which values make sense, and what they are, for messages. */
export interface AllowedValues {
  readonly from: number;
  readonly to: number;
  readonly also?: number;
  readonly what: string;
}

/** Arrays of up to so many bytes in a file are kept in memory; of larger ones rows are read when they are needed. */
export const defaultKeptBytes = 512e6;

/** Rows looked through at once. */
const rowsAtOnce = 4096;

/** One array of a set as a graph is fed it: rows by number, converted where that is exact. */
export class ArrayColumn {
  readonly dtype: FedType;
  readonly #tensor: Tensor;
  readonly #source: string;
  readonly #name: string;
  readonly #allowed: AllowedValues | undefined;
  readonly #rowBytes: number;
  readonly #bytes: (offset: number, length: number) => Uint8Array;

  /** @throws data/bad-type when the array's type cannot become `dtype` */
  constructor(
    set: ArraySet,
    name: string,
    dtype: FedType,
    { allowed, keptBytes }: { readonly allowed?: AllowedValues; readonly keptBytes: number },
  ) {
    this.#tensor = set.arrays.get(name)!;
    this.#source = set.source;
    this.#name = name;
    this.#allowed = allowed;
    this.dtype = dtype;
    const { dims, data } = this.#tensor;
    this.#rowBytes = (sizeOf(dims.slice(1)) * bitsOf[this.#tensor.dtype]) / 8;
    if (data.file && data.length > keptBytes) {
      const { path, offset: start } = data.file;
      const file = openFileBytes(path);
      this.#bytes = (offset, length) => file.range(start + offset, length).read();
    } else {
      const all = data.read();
      this.#bytes = (offset, length) => all.subarray(offset, offset + length);
    }
  }

  /** @throws data/bad-value when a value is not exact in the type wanted, or makes no sense there */
  read(rows: ArrayLike<number>): FedRows {
    const { dtype, dims } = this.#tensor;
    const raw = viewOf(this.#gather(rows), dtype);
    const isSame = dtype === this.dtype;
    const data = isSame ? (raw as FedRows["data"]) : makeArray(this.dtype, raw.length);
    if (!isSame) this.#convert(raw, data, rows);
    if (this.#allowed) this.#check(data, rows, this.#allowed);
    return { dtype: this.dtype, dims: [rows.length, ...dims.slice(1)], data };
  }

  /** Reads every row once, so that a bad value is told before anything is trained. */
  check(rows: Uint32Array): void {
    if (!this.#allowed && isExactFor(this.#tensor.dtype, this.dtype)) return;
    for (let at = 0; at < rows.length; at += rowsAtOnce) this.read(rows.subarray(at, at + rowsAtOnce));
  }

  /** The bytes of some rows, one after the other; neighbours are read at once. */
  #gather(rows: ArrayLike<number>): Uint8Array {
    const bytes = new Uint8Array(rows.length * this.#rowBytes);
    for (let i = 0; i < rows.length; ) {
      let end = i + 1;
      while (end < rows.length && rows[end] === rows[end - 1]! + 1) end++;
      const run = this.#bytes(rows[i]! * this.#rowBytes, (end - i) * this.#rowBytes);
      bytes.set(run, i * this.#rowBytes);
      i = end;
    }
    return bytes;
  }

  #convert(raw: RawArray, data: FedRows["data"], rows: ArrayLike<number>): void {
    const numberAt = readers[this.#tensor.dtype] ?? ((view: RawArray, i: number) => Number(view[i]));
    const isWhole = /^u?int/.test(this.#tensor.dtype);
    for (let i = 0; i < raw.length; i++) {
      const value = numberAt(raw, i);
      if (!put(this.dtype, data, i, value, isWhole)) throw this.#bad(raw[i]!, i, rows, asFed(this.dtype));
    }
  }

  #check(data: FedRows["data"], rows: ArrayLike<number>, { from, to, also, what }: AllowedValues): void {
    for (let i = 0; i < data.length; i++) {
      const value = Number(data[i]);
      if (!(value >= from && value <= to) && value !== also)
        throw this.#bad(value, i, rows, `${what}, ${from} to ${to}`);
    }
  }

  #bad(value: number | bigint, i: number, rows: ArrayLike<number>, expected: string): DiapasonError {
    const row = rows[Math.floor(i / Math.max(1, sizeOf(this.#tensor.dims.slice(1))))];
    return new DiapasonError(
      "data/bad-value",
      `${this.#source}: "${this.#name}" (${this.#tensor.dtype}) holds ${value} at example ${row}; expected ${expected}.`,
      "Mend the array, or convert it yourself to the type that the graph takes.",
    );
  }
}

/** What a value has to be to be fed as it is, for messages. */
const asFed = (dtype: FedType): string => {
  if (dtype === "bool") return "true or false";
  return `a ${dtype.startsWith("float") ? "" : "whole "}number that ${dtype} holds`;
};

type RawArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

const raws: { readonly [D in DataType]?: new (buffer: ArrayBuffer) => RawArray } = {
  float64: Float64Array,
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint64: BigUint64Array,
  uint32: Uint32Array,
  uint16: Uint16Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

const readers: { readonly [D in DataType]?: (view: RawArray, i: number) => number } = {
  float16: (view, i) => fromFloat16(Number(view[i])),
  bfloat16: (view, i) => fromBfloat16(Number(view[i])),
};

/** Fresh bytes as numbers of a type. @throws data/bad-type for types that no array of examples has */
function viewOf(bytes: Uint8Array, dtype: DataType): RawArray {
  const make = raws[dtype];
  if (make) return new make(bytes.buffer as ArrayBuffer);
  throw new DiapasonError(
    "data/bad-type",
    `Arrays of ${dtype} are not read as examples.`,
    "Convert the array to float32 or to whole numbers.",
  );
}
