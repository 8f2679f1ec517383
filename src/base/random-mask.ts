import { masksModule } from "./masks.generated.ts";
import { hashKeys } from "./random.ts";
import { openModule } from "./web-assembly.ts";

/**
 * Numbers that are 0 with probability `share` and else 1 / (1 − share), so that their mean is 1.
 *
 * Of the stream of `seed` at `keys` each word makes two of them, its low half first: a share is one that 16 bits can say.
 */
export function randomMask(
  count: number,
  share: number,
  seed: number,
  ...keys: readonly (string | number)[]
): Float32Array<ArrayBuffer> {
  const [high, low] = hashKeys(keys);
  const least = Math.round(share * 2 ** 16);
  const kept = 1 / (1 - least / 2 ** 16);
  const made = new Float32Array(count);
  opened ??= openMasks();
  const { kernel, numbers } = opened;
  for (let at = 0; at < count; at += atOnce) {
    const size = Math.min(atOnce, count - at);
    const blocks = 4 * Math.ceil(size / (4 * perBlock));
    kernel.mask(0, blocks, at / perBlock, high, low, seed | 0, Math.floor(seed / 2 ** 32), least, kept);
    made.set(numbers.subarray(0, size), at);
  }
  return made;
}

/** How many numbers a block of Philox makes, and how many are made before they are copied. */
const perBlock = 8;
const atOnce = 2 ** 16;

interface Kernel {
  mask(
    out: number,
    blocks: number,
    first: number,
    c2: number,
    c3: number,
    k0: number,
    k1: number,
    least: number,
    kept: number,
  ): void;
}

let opened: { readonly kernel: Kernel; readonly numbers: Float32Array } | undefined;

/** Masks have millions of numbers: in JavaScript they took a fifth of a step that has them. */
function openMasks() {
  const memory = new WebAssembly.Memory({ initial: (atOnce * Float32Array.BYTES_PER_ELEMENT) / 2 ** 16 });
  return { kernel: openModule<Kernel>(masksModule, memory), numbers: new Float32Array(memory.buffer) };
}
