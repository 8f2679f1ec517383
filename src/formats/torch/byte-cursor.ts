import type { ByteRange } from "../safetensors.ts";
import { damaged } from "./mistakes.ts";

/** Bytes that are read on from a place; the file is read a block at a time. */
export interface ByteCursor {
  /** Where the next byte lies. */
  readonly at: number;
  byte(): number;
  /** The next `length` bytes; a view that stays as it is. */
  take(length: number): Uint8Array;
  /** What precedes the next line feed, which is left behind; at most 64 KiB. */
  line(): Uint8Array;
}

const blockBytes = 2 ** 16;

/** @throws formats/torch-damaged from its methods where the bytes end. */
export function byteCursor(range: ByteRange, start: number, end: number): ByteCursor {
  let at = start;
  let block: Uint8Array = new Uint8Array(0);
  let blockStart = start;
  const left = () => block.length - (at - blockStart);
  const load = (wanted: number) => {
    if (at + wanted > end)
      throw damaged(`it ends at byte ${end}, in the middle of its description of tensors`);
    block = range(at, Math.min(end - at, Math.max(wanted, blockBytes))).read();
    blockStart = at;
  };
  return {
    get at() {
      return at;
    },
    byte() {
      if (left() < 1) load(1);
      return block[at++ - blockStart]!;
    },
    take(length) {
      if (left() < length) load(length);
      const from = at - blockStart;
      at += length;
      return block.subarray(from, from + length);
    },
    line() {
      if (block.indexOf(10, at - blockStart) < 0) load(Math.min(blockBytes, end - at));
      const from = at - blockStart;
      const feed = block.indexOf(10, from);
      if (feed < 0) throw damaged("a line in it never ends");
      at = blockStart + feed + 1;
      return block.subarray(from, feed);
    },
  };
}
