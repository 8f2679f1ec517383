/**
 * Counter-based random numbers: a stream is named by its seed and a path of keys, and holds no hidden state.
 *
 * Two streams with the same seed and keys give the same numbers on every machine, in any order of use, which is what
 * makes a resumed run equal to the uninterrupted one. Generator: Philox-4x32-10 (Salmon et al. 2011).
 */
export interface RandomStream {
  /** Uniform in [0, 1), 32 bits of resolution. */
  uniform(): number;
  /** Standard normal (Box–Muller). */
  normal(): number;
  /** Uniform integer in 0 … n−1. */
  integer(n: number): number;
  /** A permutation of 0 … n−1 (Fisher–Yates). */
  permutation(n: number): Uint32Array;
}

/** The stream of `seed` at `keys`; for example `random(seed, "augment", epoch, exampleId)`. */
export function random(seed: number, ...keys: readonly (string | number)[]): RandomStream {
  const [high, low] = hashKeys(keys);
  const key: [number, number] = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
  let counter = 0;
  let block: Uint32Array = philox([0, 0, high, low], key);
  let used = 0;
  let spare: number | undefined;
  const next = (): number => {
    if (used === 4) {
      counter++;
      block = philox([counter >>> 0, Math.floor(counter / 2 ** 32) >>> 0, high, low], key);
      used = 0;
    }
    return block[used++]!;
  };
  const uniform = () => next() / 2 ** 32;
  return {
    uniform,
    normal() {
      if (spare !== undefined) {
        const value = spare;
        spare = undefined;
        return value;
      }
      const radius = Math.sqrt(-2 * Math.log((next() + 1) / 2 ** 32));
      const angle = 2 * Math.PI * uniform();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    },
    integer: (n) => Math.floor(uniform() * n),
    permutation(n) {
      const order = Uint32Array.from({ length: n }, (_, i) => i);
      for (let i = n - 1; i > 0; i--) {
        const j = Math.floor(uniform() * (i + 1));
        [order[i], order[j]] = [order[j]!, order[i]!];
      }
      return order;
    },
  };
}

/**
 * The first 32-bit words of the stream of `seed` at `keys`, all at once: what `uniform` gives, times 2³². For masks of
 * millions, where asking one by one would take longer than the step they are for.
 */
export function randomWords(
  count: number,
  seed: number,
  ...keys: readonly (string | number)[]
): Uint32Array<ArrayBuffer> {
  const [high, low] = hashKeys(keys);
  const firstKey = seed | 0;
  const secondKey = Math.floor(seed / 2 ** 32) | 0;
  const words = new Uint32Array(Math.ceil(count / 4) * 4);
  for (let at = 0; at < count; at += 4) {
    let c0 = at >>> 2;
    let c1 = 0;
    let c2 = high;
    let c3 = low;
    let k0 = firstKey;
    let k1 = secondKey;
    for (let round = 0; round < 10; round++) {
      const high0 = highWord(c0, 0xd251, 0x1f53);
      const high1 = highWord(c2, 0xcd9e, 0x8d57);
      const low0 = Math.imul(c0, 0xd2511f53);
      const low1 = Math.imul(c2, 0xcd9e8d57);
      c0 = high1 ^ c1 ^ k0;
      c1 = low1;
      c2 = high0 ^ c3 ^ k1;
      c3 = low0;
      k0 = (k0 + 0x9e3779b9) | 0;
      k1 = (k1 + 0xbb67ae85) | 0;
    }
    words[at] = c0;
    words[at + 1] = c1;
    words[at + 2] = c2;
    words[at + 3] = c3;
  }
  return words.subarray(0, count);
}

/** High word of the product of a word and one given as its two halves. */
function highWord(a: number, b1: number, b0: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const lowHigh = Math.imul(a0, b1);
  const highLow = Math.imul(a1, b0);
  const middle = (Math.imul(a0, b0) >>> 16) + (lowHigh & 0xffff) + (highLow & 0xffff);
  return (Math.imul(a1, b1) + (lowHigh >>> 16) + (highLow >>> 16) + (middle >>> 16)) | 0;
}

/** One Philox-4x32-10 block: four 32-bit words from a 128-bit counter and a 64-bit key. */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): Uint32Array {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = multiply(0xd2511f53, c0);
    const [high1, low1] = multiply(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return Uint32Array.of(c0, c1, c2, c3);
}

/** High and low words of the 64-bit product of two 32-bit words. */
function multiply(a: number, b: number): [number, number] {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const low = aLow * bLow;
  const middle = aHigh * bLow + (low >>> 16);
  const cross = aLow * bHigh + (middle & 0xffff);
  const high = aHigh * bHigh + Math.floor(middle / 65536) + (cross >>> 16);
  return [high >>> 0, Math.imul(a, b) >>> 0];
}

/** 64 bits that name a path of keys (FNV-1a over their text, once per half). */
function hashKeys(keys: readonly (string | number)[]): [number, number] {
  const text = keys.join("\u0000");
  let a = 0x811c9dc5;
  let b = 0xcbf29ce4;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code ^ (i << 8), 0x01000193);
  }
  return [a >>> 0, b >>> 0];
}
