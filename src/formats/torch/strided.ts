import { type ByteSource, bitsOf, sizeOf, type Tensor } from "../../graph/tensor.ts";
import { tooLarge } from "./mistakes.ts";
import type { View } from "./values.ts";

/** A tensor that repeats what is stored (an expanded one) is written out up to this many bytes. */
const mostRepeated = 2 ** 28;

/**
 * A view as a tensor whose numbers follow each other: a part of the file where they do so there, else gathered when
 * they are asked for.
 *
 * @throws formats/torch-too-large for a view that is larger than its storage, beyond 256 MiB.
 */
export function tensorOfView(view: View): Tensor {
  const { storage, dtype, dims, offset } = view;
  const size = bitsOf[dtype] / 8;
  const length = sizeOf(dims) * size;
  if (length === 0 || isContiguous(view))
    return { dtype, dims, data: storage.range(length === 0 ? 0 : offset * size, length) };
  if (length > storage.sizeBytes && length > mostRepeated)
    throw tooLarge(
      `A tensor [${dims.join(", ")}] repeats the ${storage.sizeBytes} bytes that are stored of it`,
    );
  return { dtype, dims, data: gathered(view, size, length) };
}

/** Whether the elements follow each other, the last axis fastest. Axes of one element have any stride. */
function isContiguous({ dims, strides }: View): boolean {
  let expected = 1;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    if (dims[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= dims[axis]!;
  }
  return true;
}

function gathered(view: View, size: number, length: number): ByteSource {
  let last: WeakRef<Uint8Array> | undefined;
  return {
    length,
    read() {
      const kept = last?.deref();
      if (kept) return kept;
      const bytes = gather(view, size, length);
      last = new WeakRef(bytes);
      return bytes;
    },
  };
}

function gather({ storage, dims, strides, offset }: View, size: number, length: number): Uint8Array {
  const span = dims.reduce((at, count, axis) => at + (count - 1) * strides[axis]!, 1);
  const stored = storage.range(offset * size, span * size).read();
  const target = new Uint8Array(length);
  // In words of up to four bytes; an element of several words is one more axis.
  const wordBytes = Math.min(size, 4);
  const words = size / wordBytes;
  const from = wordsOf(stored, wordBytes);
  const to = wordsOf(target, wordBytes);
  const sizes = [...dims, words];
  const steps = [...strides.map((stride) => stride * words), 1];
  const axes = sizes.length;
  const place = new Array<number>(axes - 1).fill(0);
  for (let at = 0, source = 0; at < to.length; ) {
    for (let i = 0; i < words; i++) to[at++] = from[source + i]!;
    for (let axis = axes - 2; axis >= 0; axis--) {
      source += steps[axis]!;
      if (++place[axis]! < sizes[axis]!) break;
      source -= steps[axis]! * sizes[axis]!;
      place[axis] = 0;
    }
  }
  return target;
}

function wordsOf(bytes: Uint8Array, size: number): Uint8Array | Uint16Array | Uint32Array {
  if (size === 1) return bytes;
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  const words = aligned.length / size;
  return size === 2
    ? new Uint16Array(aligned.buffer, aligned.byteOffset, words)
    : new Uint32Array(aligned.buffer, aligned.byteOffset, words);
}
