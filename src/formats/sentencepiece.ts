import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** A SentencePiece model as far as its pieces and the normalisation of texts go. */
export interface SentencePieceModel {
  readonly kind: "unigram" | "bpe" | "word" | "char";
  /** In the order of their numbers. */
  readonly pieces: readonly Piece[];
  readonly unknownId: number;
  /** What characters are replaced by, in SentencePiece's own compiled form; empty where nothing is. */
  readonly charsmap: Uint8Array;
}

export interface Piece {
  readonly text: string;
  /** Logarithm of its probability, or how early it is merged. */
  readonly score: number;
  readonly type: "normal" | "unknown" | "control" | "user" | "byte" | "unused";
}

const kinds = ["unigram", "unigram", "bpe", "word", "char"] as const;
const types = ["normal", "normal", "unknown", "control", "user", "unused", "byte"] as const;

/**
 * Reads the bytes of a `.model` file.
 *
 * Source: google/sentencepiece, sentencepiece_model.proto.
 * @throws Error for bytes that are no such file
 */
export function readSentencePiece(bytes: Uint8Array): SentencePieceModel {
  const pieces: Piece[] = [];
  let trainer = { kind: 1, unknownId: 0 };
  let charsmap: Uint8Array = new Uint8Array();
  eachField(bytes, (field, reader) => {
    if (field === 1) pieces.push(readPiece(reader.bytes()));
    else if (field === 2) trainer = readTrainer(reader.bytes());
    else if (field === 3) charsmap = readCharsmap(reader.bytes());
    else return false;
    return true;
  });
  const kind = kinds[trainer.kind];
  if (pieces.length === 0 || kind === undefined) throw new Error("it holds no SentencePiece model");
  return { kind, pieces, unknownId: trainer.unknownId, charsmap };
}

function readPiece(bytes: Uint8Array): Piece {
  let [text, score, type] = ["", 0, 1];
  eachField(bytes, (field, reader) => {
    if (field === 1) text = reader.string();
    else if (field === 2) score = reader.float();
    else if (field === 3) type = reader.int32();
    else return false;
    return true;
  });
  return { text, score, type: types[type] ?? "unused" };
}

function readTrainer(bytes: Uint8Array) {
  let [kind, unknownId] = [1, 0];
  eachField(bytes, (field, reader) => {
    if (field === 3) kind = reader.int32();
    else if (field === 40) unknownId = reader.int32();
    else return false;
    return true;
  });
  return { kind, unknownId };
}

function readCharsmap(bytes: Uint8Array): Uint8Array {
  let found: Uint8Array = new Uint8Array();
  eachField(bytes, (field, reader) => {
    if (field !== 2) return false;
    found = reader.bytes();
    return true;
  });
  return found;
}

/** Every field of a message; `read` says whether it has read it. */
function eachField(bytes: Uint8Array, read: (field: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (wire === WireType.EndGroup) throw new Error("it is cut off or damaged");
    if (!read(field, reader)) reader.skip(wire, field);
  }
}
