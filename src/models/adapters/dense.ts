import type { Layer } from "./layers.ts";

/**
 * Adds scale · B·A to a layer's weight, in the layer's own layout.
 *
 * A: [rank, in (, kernel)], B: [out, rank]. The sums are made in float64 and rounded to what `weight` holds.
 */
export function addProduct(
  weight: Float64Array,
  { outSize, isOutFirst }: Pick<Layer, "outSize" | "isOutFirst">,
  { a, b }: { readonly a: Float32Array; readonly b: Float32Array },
  scale: number,
): void {
  const rank = b.length / outSize;
  const width = a.length / rank;
  const row = new Float64Array(width);
  for (let o = 0; o < outSize; o++) {
    row.fill(0);
    for (let k = 0; k < rank; k++) {
      const factor = scale * b[o * rank + k]!;
      if (factor === 0) continue;
      for (let i = 0; i < width; i++) row[i]! += factor * a[k * width + i]!;
    }
    if (isOutFirst) for (let i = 0; i < width; i++) weight[o * width + i]! += row[i]!;
    else for (let i = 0; i < width; i++) weight[i * outSize + o]! += row[i]!;
  }
}

/** Σ of the squares of what leads to each output: [out]. */
export function squaresPerOutput(
  weight: ArrayLike<number>,
  { outSize, isOutFirst }: Pick<Layer, "outSize" | "isOutFirst">,
): Float64Array {
  const width = weight.length / outSize;
  const squares = new Float64Array(outSize);
  for (let o = 0; o < outSize; o++)
    for (let i = 0; i < width; i++) {
      const value = weight[isOutFirst ? o * width + i : i * outSize + o]!;
      squares[o]! += value * value;
    }
  return squares;
}

/** Multiplies what leads to each output by a number of its own. */
export function scaleOutputs<W extends Float32Array | Float64Array>(
  weight: W,
  { outSize, isOutFirst }: Pick<Layer, "outSize" | "isOutFirst">,
  factors: ArrayLike<number>,
): W {
  const width = weight.length / outSize;
  for (let at = 0; at < weight.length; at++)
    weight[at]! *= factors[isOutFirst ? Math.floor(at / width) : at % outSize]!;
  return weight;
}
