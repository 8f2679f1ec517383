import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { DiapasonError } from "../base/errors.ts";
import type { ByteSource } from "../graph/tensor.ts";

/** A file whose parts can be asked for. */
export interface FileBytes {
  readonly length: number;
  /** `length` bytes from `offset`; the caller keeps inside the file. */
  range(offset: number, length: number): ByteSource;
}

/** A file that stays open as long as a part of it may be read: another file that takes its name does not take its place. */
interface OpenFile {
  readonly path: string;
  readonly descriptor: number;
}

const left = new FinalizationRegistry<number>(closeSync);

/**
 * Opens a file of any size. A part is read when it is asked for, and kept only as long as somebody holds it.
 *
 * @throws formats/file-unreadable, also from reading a part later
 */
export function openFileBytes(path: string): FileBytes {
  const file = { path, descriptor: orUnreadable(path, () => openSync(path, "r")) };
  left.register(file, file.descriptor);
  const { size } = orUnreadable(path, () => fstatSync(file.descriptor));
  return { length: size, range: (offset, length) => fileRange(file, offset, length) };
}

function fileRange(open: OpenFile, offset: number, length: number): ByteSource {
  const { path } = open;
  let last: WeakRef<Uint8Array> | undefined;
  return {
    length,
    file: { path, offset },
    read() {
      const kept = last?.deref();
      if (kept) return kept;
      const bytes = new Uint8Array(length);
      orUnreadable(path, () => readPart(open, offset, bytes));
      last = new WeakRef(bytes);
      return bytes;
    },
    readInto: (target, from) => orUnreadable(path, () => readPart(open, offset + from, target)),
  };
}

/** One read call takes less than 2 GB. */
const pieceBytes = 2 ** 28;

function readPart({ descriptor }: OpenFile, offset: number, target: Uint8Array): void {
  const { length } = target;
  for (let at = 0; at < length; ) {
    const count = readSync(descriptor, target, at, Math.min(pieceBytes, length - at), offset + at);
    if (count === 0) throw new Error(`it ends at byte ${offset + at}, ${offset + length} were promised`);
    at += count;
  }
}

function orUnreadable<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? (cause as Error).message;
    throw new DiapasonError(
      "formats/file-unreadable",
      `"${path}" cannot be read (${why}).`,
      "Check that the file is there, whole, and that you may read it.",
      cause,
    );
  }
}
