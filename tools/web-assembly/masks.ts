// Dropout masks from Philox-4x32-10 (Salmon et al. 2011), four blocks at a time, compiled to WebAssembly SIMD by
// tools/web-assembly/build.mjs. The words are those of src/base/random.ts, and src/base/random-mask.ts calls it.

/** High words of the products of words. */
@inline
function high(a: v128, m: v128): v128 {
  const low = i64x2.extmul_low_i32x4_u(a, m);
  const up = i64x2.extmul_high_i32x4_u(a, m);
  return i8x16.shuffle(low, up, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
}

/** Two numbers for each word of a block, its low half first: `kept` where a half is at least `least`, else 0. */
@inline
function write(out: usize, words: v128, least: v128, kept: v128): void {
  const low = v128.and(i32x4.ge_s(v128.and(words, i32x4.splat(0xffff)), least), kept);
  const up = v128.and(i32x4.ge_s(i32x4.shr_u(words, 16), least), kept);
  v128.store(out, i8x16.shuffle(low, up, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23));
  v128.store(out, i8x16.shuffle(low, up, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31), 16);
}

/**
 * Writes the numbers of `blocks` blocks, a multiple of 4, from the block `first` on: 8 float32 for each.
 *
 * `c2`, `c3`: upper words of the counter; `k0`, `k1`: the key.
 */
export function mask(
  out: usize, blocks: i32, first: i32, c2: i32, c3: i32, k0: i32, k1: i32, least: i32, kept: f32,
): void {
  const m0 = i32x4.splat(0xd2511f53);
  const m1 = i32x4.splat(0xcd9e8d57);
  const from = i32x4.splat(least);
  const value = f32x4.splat(kept);
  for (let at = 0; at < blocks; at += 4, out += 128) {
    let x0 = i32x4.add(i32x4.splat(first + at), i32x4(0, 1, 2, 3));
    let x1 = i32x4.splat(0);
    let x2 = i32x4.splat(c2);
    let x3 = i32x4.splat(c3);
    let a = k0;
    let b = k1;
    for (let round = 0; round < 10; round++) {
      const high0 = high(x0, m0);
      const high1 = high(x2, m1);
      const low0 = i32x4.mul(x0, m0);
      const low1 = i32x4.mul(x2, m1);
      x0 = v128.xor(v128.xor(high1, x1), i32x4.splat(a));
      x1 = low1;
      x2 = v128.xor(v128.xor(high0, x3), i32x4.splat(b));
      x3 = low0;
      a += 0x9e3779b9;
      b += 0xbb67ae85;
    }
    // a lane is a block: its four words lie side by side after the transposition
    const p0 = i8x16.shuffle(x0, x1, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const p1 = i8x16.shuffle(x0, x1, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    const q0 = i8x16.shuffle(x2, x3, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const q1 = i8x16.shuffle(x2, x3, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    write(out, i8x16.shuffle(p0, q0, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23), from, value);
    write(out + 32, i8x16.shuffle(p0, q0, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31), from, value);
    write(out + 64, i8x16.shuffle(p1, q1, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23), from, value);
    write(out + 96, i8x16.shuffle(p1, q1, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31), from, value);
  }
}
