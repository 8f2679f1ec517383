import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** A SentencePiece model as far as its pieces and the normalisation of texts go. */
export interface SentencePieceModel {
  readonly kind: "unigram" | "bpe" | "word" | "char";
  /** In the order of their numbers. */
  readonly pieces: readonly Piece[];
  readonly unknownId: number;
  readonly trainer: Trainer;
  readonly normalizer: {
    /** Whether a space is put before each text. */
    readonly addsPrefix: boolean;
    /** Whether spaces at the ends go, and several become one. */
    readonly joinsSpaces: boolean;
    /** Whether spaces become marks. */
    readonly marksSpaces: boolean;
  };
  /** What characters are replaced by, in SentencePiece's own compiled form; empty where nothing is. */
  readonly charsmap: Uint8Array;
}

/** What a model was trained with, as far as it says how texts are read. */
export interface Trainer {
  /** Whether a character without a piece becomes its bytes. */
  readonly fallsBackToBytes: boolean;
  readonly unknown: string;
  /** Beginning and end of texts; undefined: the model has none. */
  readonly start: string | undefined;
  readonly end: string | undefined;
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
  let trainer = readTrainer(new Uint8Array());
  let normalization = readNormalizer(new Uint8Array());
  eachField(bytes, (field, reader) => {
    if (field === 1) pieces.push(readPiece(reader.bytes()));
    else if (field === 2) trainer = readTrainer(reader.bytes());
    else if (field === 3) normalization = readNormalizer(reader.bytes());
    else return false;
    return true;
  });
  const { kind: number, unknownId, ...about } = trainer;
  const kind = kinds[number];
  if (pieces.length === 0 || kind === undefined) throw new Error("it holds no SentencePiece model");
  const { charsmap, ...normalizer } = normalization;
  return { kind, pieces, unknownId, trainer: about, normalizer, charsmap };
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

function readTrainer(bytes: Uint8Array): Trainer & { readonly kind: number; readonly unknownId: number } {
  let [kind, unknownId, startId, endId] = [1, 0, 1, 2];
  let fallsBackToBytes = false;
  let [unknown, start, end] = ["<unk>", "<s>", "</s>"];
  eachField(bytes, (field, reader) => {
    if (field === 3) kind = reader.int32();
    else if (field === 35) fallsBackToBytes = reader.bool();
    else if (field === 40) unknownId = reader.int32();
    else if (field === 41) startId = reader.int32();
    else if (field === 42) endId = reader.int32();
    else if (field === 45) unknown = reader.string();
    else if (field === 46) start = reader.string();
    else if (field === 47) end = reader.string();
    else return false;
    return true;
  });
  return {
    kind,
    unknownId,
    fallsBackToBytes,
    unknown,
    start: startId < 0 ? undefined : start,
    end: endId < 0 ? undefined : end,
  };
}

function readNormalizer(bytes: Uint8Array) {
  let charsmap: Uint8Array = new Uint8Array();
  let [addsPrefix, joinsSpaces, marksSpaces] = [true, true, true];
  eachField(bytes, (field, reader) => {
    if (field === 2) charsmap = reader.bytes();
    else if (field === 3) addsPrefix = reader.bool();
    else if (field === 4) joinsSpaces = reader.bool();
    else if (field === 5) marksSpaces = reader.bool();
    else return false;
    return true;
  });
  return { charsmap, addsPrefix, joinsSpaces, marksSpaces };
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
