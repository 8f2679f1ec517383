import { type RandomStream, random } from "../../base/random.ts";

/** How a batch is mixed. `share`: λ, what stays of each example's own. `partners`: whom each is mixed with. */
export interface Mixup {
  readonly share: number;
  readonly partners: Uint32Array;
}

/**
 * Draws λ ~ Beta(α, α) for a batch and a partner within it for each example.
 *
 * Source: Zhang et al. 2018, mixup, §2 (one λ a batch, as in the authors' code).
 */
export function drawMixup(
  size: number,
  alpha: number,
  { seed, epoch, batch }: { readonly seed: number; readonly epoch: number; readonly batch: number },
): Mixup {
  const stream = random(seed, "mixup", epoch, batch);
  const a = drawGamma(alpha, stream);
  const b = drawGamma(alpha, stream);
  // With a tiny α both may underflow to 0: the distribution is then all but two points, 0 and 1.
  const share = a + b > 0 ? a / (a + b) : stream.integer(2);
  return { share, partners: stream.permutation(size) };
}

/** A draw from Gamma(shape, 1). Source: Marsaglia & Tsang 2000; shapes below 1 by their §6. */
export function drawGamma(shape: number, stream: RandomStream): number {
  if (shape < 1) return drawGamma(shape + 1, stream) * stream.uniform() ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = stream.normal();
    const v = (1 + c * x) ** 3;
    if (v <= 0) continue;
    const u = 1 - stream.uniform(); // (0, 1], so that its logarithm is finite.
    if (Math.log(u) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}
