// The optimizers as single passes over memory, compiled to WebAssembly SIMD by tools/optimizer/build.mjs.
// Pointers are byte offsets of float32 arrays, 16-byte aligned; n counts elements. Formulas are torch.optim's.

/** Σ x², accumulated in float64 over four lanes. */
export function sumOfSquares(x: usize, n: i32): f64 {
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const v = v128.load(x + (<usize>i << 2));
    const a = f64x2.promote_low_f32x4(v);
    const b = f64x2.promote_low_f32x4(i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15));
    low = f64x2.add(low, f64x2.mul(a, a));
    high = f64x2.add(high, f64x2.mul(b, b));
  }
  const both = f64x2.add(low, high);
  let sum = f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1);
  for (; i < n; i++) {
    const v = <f64>load<f32>(x + (<usize>i << 2));
    sum += v * v;
  }
  return sum;
}

/**
 * Adam and AdamW. `rest1` and `rest2` are 1 − β1 and 1 − β2, subtracted in float64: in float32 0.999 is so far off that
 * the second would be wrong by 5e-5, which bias correction does not share. `scale` multiplies the gradient; `coupled` is added times the value to it (Adam's weight decay);
 * `keep` multiplies the value first (1 − rate·decay, AdamW's). `stepSize` is rate / (1 − β1^t); `correction` is
 * √(1 − β2^t).
 */
export function adam(
  value: usize, gradient: usize, first: usize, second: usize, n: i32,
  rest1: f32, beta2: f32, rest2: f32, epsilon: f32, scale: f32, coupled: f32, keep: f32, stepSize: f32, correction: f32,
): void {
  let i = 0;
  const b2 = f32x4.splat(beta2);
  const r1 = f32x4.splat(rest1);
  const r2 = f32x4.splat(rest2);
  const e = f32x4.splat(epsilon);
  const s = f32x4.splat(scale);
  const c = f32x4.splat(coupled);
  const k = f32x4.splat(keep);
  const step = f32x4.splat(stepSize);
  const root = f32x4.splat(correction);
  for (; i + 4 <= n; i += 4) {
    const at = <usize>i << 2;
    let w = v128.load(value + at);
    const g = f32x4.add(f32x4.mul(v128.load(gradient + at), s), f32x4.mul(w, c));
    let m = v128.load(first + at);
    let v = v128.load(second + at);
    m = f32x4.add(m, f32x4.mul(f32x4.sub(g, m), r1));
    v = f32x4.add(f32x4.mul(v, b2), f32x4.mul(f32x4.mul(g, g), r2));
    const denominator = f32x4.add(f32x4.div(f32x4.sqrt(v), root), e);
    w = f32x4.sub(f32x4.mul(w, k), f32x4.mul(step, f32x4.div(m, denominator)));
    v128.store(value + at, w);
    v128.store(first + at, m);
    v128.store(second + at, v);
  }
  for (; i < n; i++) {
    const at = <usize>i << 2;
    const w = load<f32>(value + at);
    const g = load<f32>(gradient + at) * scale + w * coupled;
    const m0 = load<f32>(first + at);
    const m = m0 + (g - m0) * rest1;
    const v = load<f32>(second + at) * beta2 + g * g * rest2;
    store<f32>(value + at, w * keep - stepSize * (m / (Mathf.sqrt(v) / correction + epsilon)));
    store<f32>(first + at, m);
    store<f32>(second + at, v);
  }
}

/**
 * SGD. `momentum` 0 leaves the buffer alone. `kept` and `added` are the shares of buffer and gradient in the new buffer:
 * momentum and 1 − dampening, but 0 and 1 at a parameter's first step, when the buffer is the gradient itself. `scale`
 * multiplies the gradient; `decay` times the value is added to it.
 */
export function sgd(
  value: usize, gradient: usize, buffer: usize, n: i32,
  rate: f32, scale: f32, decay: f32, momentum: f32, kept: f32, added: f32, nesterov: i32,
): void {
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const at = <usize>i << 2;
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
  for (; i < n; i++) {
    const at = <usize>i << 2;
    const w = load<f32>(value + at);
    const g = load<f32>(gradient + at) * scale + w * decay;
    let d = g;
    if (momentum != 0) {
      const b = load<f32>(buffer + at) * kept + g * added;
      store<f32>(buffer + at, b);
      d = nesterov ? g + b * momentum : b;
    }
    store<f32>(value + at, w - d * rate);
  }
}
