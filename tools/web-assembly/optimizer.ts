// The optimizers as single passes over memory, compiled to WebAssembly SIMD by tools/web-assembly/build.mjs.
// Pointers are byte offsets of float32 arrays; `bytes` is the length of each, a multiple of 16: arrays are padded, and what
// the padding holds matters to nobody but must be 0 in gradients. Formulas are torch.optim's.

/** Σ x², accumulated in float64 over four lanes. */
export function sumOfSquares(x: usize, bytes: usize): f64 {
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  for (const end = x + bytes; x < end; x += 16) {
    const v = v128.load(x);
    const a = f64x2.promote_low_f32x4(v);
    const b = f64x2.promote_low_f32x4(i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15));
    low = f64x2.add(low, f64x2.mul(a, a));
    high = f64x2.add(high, f64x2.mul(b, b));
  }
  const both = f64x2.add(low, high);
  return f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1);
}

/**
 * Adam and AdamW. `scale` multiplies the gradient; `coupled` times the value is added to it (Adam's weight decay); `keep`
 * multiplies the value first (1 − rate·decay, AdamW's). `rest1` and `rest2` are 1 − β1 and 1 − β2, subtracted in float64:
 * float32's 0.999 is so far off that the second would be wrong by 5e-5, which bias correction does not share.
 * With c = √(1 − β2^t), `stepSize` is c · rate / (1 − β1^t) and `epsilon` is c · ε: torch divides √v by c instead, a
 * second division, which makes the pass half as slow again (115 ms against 76 over 66 million numbers).
 */
export function adam(
  value: usize, gradient: usize, first: usize, second: usize, bytes: usize,
  rest1: f32, beta2: f32, rest2: f32, epsilon: f32, scale: f32, coupled: f32, keep: f32, stepSize: f32,
): void {
  const r1 = f32x4.splat(rest1);
  const b2 = f32x4.splat(beta2);
  const r2 = f32x4.splat(rest2);
  const e = f32x4.splat(epsilon);
  const s = f32x4.splat(scale);
  const c = f32x4.splat(coupled);
  const k = f32x4.splat(keep);
  const step = f32x4.splat(stepSize);
  for (let at: usize = 0; at < bytes; at += 16) {
    const w = v128.load(value + at);
    const g = f32x4.add(f32x4.mul(v128.load(gradient + at), s), f32x4.mul(w, c));
    let m = v128.load(first + at);
    let v = v128.load(second + at);
    m = f32x4.add(m, f32x4.mul(f32x4.sub(g, m), r1));
    v = f32x4.add(f32x4.mul(v, b2), f32x4.mul(f32x4.mul(g, g), r2));
    v128.store(first + at, m);
    v128.store(second + at, v);
    v128.store(value + at, f32x4.sub(f32x4.mul(w, k), f32x4.div(f32x4.mul(step, m), f32x4.add(f32x4.sqrt(v), e))));
  }
}

/**
 * SGD. `scale` multiplies the gradient; `decay` times the value is added to it. `momentum` 0 leaves the buffer alone.
 * `kept` and `added` are the shares of buffer and gradient in the new buffer: momentum and 1 − dampening, but 0 and 1 at
 * a parameter's first step, when the buffer is the gradient itself.
 */
export function sgd(
  value: usize, gradient: usize, buffer: usize, bytes: usize,
  rate: f32, scale: f32, decay: f32, momentum: f32, kept: f32, added: f32, nesterov: i32,
): void {
  for (let at: usize = 0; at < bytes; at += 16) {
    const w = v128.load(value + at);
    const g = f32x4.add(f32x4.mul(v128.load(gradient + at), f32x4.splat(scale)), f32x4.mul(w, f32x4.splat(decay)));
    let d = g;
    if (momentum != 0) {
      const b = f32x4.add(f32x4.mul(v128.load(buffer + at), f32x4.splat(kept)), f32x4.mul(g, f32x4.splat(added)));
      v128.store(buffer + at, b);
      d = nesterov ? f32x4.add(g, f32x4.mul(b, f32x4.splat(momentum))) : b;
    }
    v128.store(value + at, f32x4.sub(w, f32x4.mul(d, f32x4.splat(rate))));
  }
}
