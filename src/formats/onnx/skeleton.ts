import type { ByteSource } from "../../graph/tensor.ts";

/** Weights from this size on stay in the file. */
const smallestLeft = 1 << 14;
/** What is read at once while looking for them. */
const windowBytes = 1 << 16;

/** Field numbers and wire types of onnx.proto that lead to the raw bytes of an initializer. */
const graphField = 7;
const initializerField = 5;
const rawDataField = 9;
const externalDataField = 13;
const dataLocationField = 14;
const varintType = 0;
const lengthType = 2;

/** The location by which a skeleton names its own file; no file in a folder can have this name. */
export const ownFile = "\0";

/** A part of a file, as `FileBytes.range`. */
type Range = (offset: number, length: number) => ByteSource;

/**
 * An ONNX file without the raw bytes of its large initializers: these are stated as external data at `ownFile`, so that
 * a model is opened without its weights being read.
 *
 * Result: undefined where the file is no plain sequence of fields; reading all of it then tells what is wrong.
 */
export function skeletonOf(length: number, range: Range): Uint8Array | undefined {
  try {
    return join(modelParts(new Cursor(range), length));
  } catch (error) {
    if (error instanceof NotPlain) return undefined;
    throw error;
  }
}

/** What is not understood here; never leaves this file. */
class NotPlain extends Error {}

interface Field {
  readonly number: number;
  readonly type: number;
  /** Where the field begins, where its content does, and where it ends. */
  readonly from: number;
  readonly content: number;
  readonly to: number;
}

function* modelParts(cursor: Cursor, length: number): Generator<Uint8Array> {
  for (const field of cursor.fields(0, length)) {
    if (field.number === graphField && field.type === lengthType)
      yield* framed(graphField, join(graphParts(cursor, field)));
    else yield cursor.bytes(field.from, field.to);
  }
}

function* graphParts(cursor: Cursor, { content, to }: Field): Generator<Uint8Array> {
  for (const field of cursor.fields(content, to)) {
    const isLarge = field.to - field.content >= smallestLeft;
    if (isLarge && field.number === initializerField && field.type === lengthType)
      yield* framed(initializerField, join(tensorParts(cursor, field)));
    else yield cursor.bytes(field.from, field.to);
  }
}

function* tensorParts(cursor: Cursor, { content, to }: Field): Generator<Uint8Array> {
  const fields = [...cursor.fields(content, to)];
  const statesPlace = fields.some(({ number: n }) => n === externalDataField || n === dataLocationField);
  for (const field of fields) {
    const size = field.to - field.content;
    const isLeft = field.number === rawDataField && field.type === lengthType && size >= smallestLeft;
    if (!isLeft || statesPlace) yield cursor.bytes(field.from, field.to);
    else {
      yield Uint8Array.from([...varint((dataLocationField << 3) | varintType), 1]);
      for (const [key, value] of Object.entries({ location: ownFile, offset: field.content, length: size }))
        yield* framed(externalDataField, join([...framed(1, utf8(key)), ...framed(2, utf8(String(value)))]));
    }
  }
}

/** Reads a file in windows, forwards for the most part. */
class Cursor {
  readonly #range: Range;
  #window: Uint8Array = new Uint8Array(0);
  #windowAt = 0;
  #at = 0;

  constructor(range: Range) {
    this.#range = range;
  }

  /** The fields of a message between two places. */
  *fields(from: number, end: number): Generator<Field> {
    for (let at = from; at < end; ) {
      this.#at = at;
      const tag = this.#varint(end);
      const type = tag % 8;
      const size = this.#sizeOf(type, end);
      const field = { number: Math.floor(tag / 8), type, from: at, content: this.#at, to: this.#at + size };
      if (field.to > end || field.number === 0) throw new NotPlain();
      yield field;
      at = field.to;
    }
  }

  bytes(from: number, to: number): Uint8Array {
    return to - from > windowBytes ? this.#range(from, to - from).read() : this.#near(from, to).slice();
  }

  #sizeOf(type: number, end: number): number {
    if (type === lengthType) return this.#varint(end);
    if (type === 1) return 8;
    if (type === 5) return 4;
    if (type !== varintType) throw new NotPlain();
    const from = this.#at;
    this.#varint(end);
    const size = this.#at - from;
    this.#at = from;
    return size;
  }

  #varint(end: number): number {
    let value = 0;
    for (let scale = 1, i = 0; i < 10; i++, scale *= 128) {
      if (this.#at >= end) throw new NotPlain();
      const byte = this.#near(this.#at, this.#at + 1, end)[0]!;
      this.#at++;
      value += (byte % 128) * scale;
      if (byte < 128) return value;
    }
    throw new NotPlain();
  }

  /** The bytes between two places, from a window that reaches on from the first. */
  #near(from: number, to: number, end = to): Uint8Array {
    if (from < this.#windowAt || to > this.#windowAt + this.#window.length) {
      this.#window = this.#range(from, Math.max(to - from, Math.min(windowBytes, end - from))).read();
      this.#windowAt = from;
    }
    return this.#window.subarray(from - this.#windowAt, to - this.#windowAt);
  }
}

function* framed(field: number, content: Uint8Array): Generator<Uint8Array> {
  yield Uint8Array.from([...varint((field << 3) | lengthType), ...varint(content.length)]);
  yield content;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function join(parts: Iterable<Uint8Array>): Uint8Array<ArrayBuffer> {
  const all = [...parts];
  const joined = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of all) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
