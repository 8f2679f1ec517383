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
export function hashKeys(keys: readonly (string | number)[]): [number, number] {
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
