// Matrix products in float64, compiled to WebAssembly SIMD by tools/web-assembly/build.mjs.
// Offsets are bytes. Each product and each sum is rounded by itself, in the order of the shared axis, as in plain loops.

/**
 * C += A · B. a: [rows, shared] without gaps. b: [shared, columns] and c: [rows, columns], whose rows are `stride` bytes apart.
 * columns: a multiple of 4.
 */
export function addProduct(a: usize, b: usize, c: usize, rows: i32, shared: i32, columns: i32, stride: usize): void {
  const length = <usize>shared << 3;
  for (let column = 0; column < columns; column += 4) {
    const from = b + (<usize>column << 3);
    let to = c + (<usize>column << 3);
    let left = a;
    let row = 0;
    for (; row + 3 < rows; row += 4) {
      const to1 = to + stride;
      const to2 = to1 + stride;
      const to3 = to2 + stride;
      let s0 = v128.load(to);
      let t0 = v128.load(to, 16);
      let s1 = v128.load(to1);
      let t1 = v128.load(to1, 16);
      let s2 = v128.load(to2);
      let t2 = v128.load(to2, 16);
      let s3 = v128.load(to3);
      let t3 = v128.load(to3, 16);
      let left1 = left + length;
      let left2 = left1 + length;
      let left3 = left2 + length;
      let right = from;
      const end = left + length;
      while (left < end) {
        const p = v128.load(right);
        const q = v128.load(right, 16);
        const w0 = v128.load64_splat(left);
        s0 = f64x2.add(s0, f64x2.mul(w0, p));
        t0 = f64x2.add(t0, f64x2.mul(w0, q));
        const w1 = v128.load64_splat(left1);
        s1 = f64x2.add(s1, f64x2.mul(w1, p));
        t1 = f64x2.add(t1, f64x2.mul(w1, q));
        const w2 = v128.load64_splat(left2);
        s2 = f64x2.add(s2, f64x2.mul(w2, p));
        t2 = f64x2.add(t2, f64x2.mul(w2, q));
        const w3 = v128.load64_splat(left3);
        s3 = f64x2.add(s3, f64x2.mul(w3, p));
        t3 = f64x2.add(t3, f64x2.mul(w3, q));
        left += 8;
        left1 += 8;
        left2 += 8;
        left3 += 8;
        right += stride;
      }
      v128.store(to, s0);
      v128.store(to, t0, 16);
      v128.store(to1, s1);
      v128.store(to1, t1, 16);
      v128.store(to2, s2);
      v128.store(to2, t2, 16);
      v128.store(to3, s3);
      v128.store(to3, t3, 16);
      left = left3;
      to = to3 + stride;
    }
    for (; row < rows; row++) {
      let s = v128.load(to);
      let t = v128.load(to, 16);
      let right = from;
      const end = left + length;
      while (left < end) {
        const w = v128.load64_splat(left);
        s = f64x2.add(s, f64x2.mul(w, v128.load(right)));
        t = f64x2.add(t, f64x2.mul(w, v128.load(right, 16)));
        left += 8;
        right += stride;
      }
      v128.store(to, s);
      v128.store(to, t, 16);
      to += stride;
    }
  }
}
