/** A discrete Fourier transform of a line as a product with a matrix. Complex numbers are two parts, real and imaginary. */
export interface Fourier {
  /** Points of the line that are read; those from `length` on count nothing. */
  readonly from: number;
  /** 1 for real lines, 2 for complex ones. */
  readonly fromParts: number;
  readonly length: number;
  /** From the spectrum to the line, divided by the length. */
  readonly inverse: boolean;
  /** Half of the spectrum stands for the other half, its mirror image: the result, or what an inverse reads. */
  readonly onesided: boolean;
}

/** Points of half a spectrum. */
export const halfOf = (length: number): number => Math.floor(length / 2) + 1;

/** Sizes of the result. */
export const transformed = ({ length, inverse, onesided }: Fourier): { to: number; toParts: number } => ({
  to: onesided && !inverse ? halfOf(length) : length,
  toParts: onesided && inverse ? 1 : 2,
});

/** How many points of a line, or of half a spectrum, are read: those beyond count nothing, those that are missing are 0. */
export const pointsRead = ({ from, length, inverse, onesided }: Fourier): number =>
  Math.min(from, inverse && onesided ? halfOf(length) : length);

/** Why a transform has no meaning. */
export const flawOf = ({ length }: Fourier): string | undefined =>
  length < 1 ? `its length is ${length}` : undefined;

/**
 * The matrix: [from, fromParts, to, toParts], row-major.
 *
 * With θ = 2π·jk/length the parts of x·e^(∓iθ), the upper sign forwards. A point of half a spectrum counts twice in the
 * inverse, but for the first and, of an even length, the last, which are their own mirror images.
 */
export function fourierMatrix(fourier: Fourier): Float64Array {
  const { from, fromParts, length, inverse, onesided } = fourier;
  const { to, toParts } = transformed(fourier);
  const sign = inverse ? 1 : -1;
  const turn = Array.from({ length }, (_, i) => (2 * Math.PI * i) / length);
  const [cos, sin] = [turn.map(Math.cos), turn.map((angle) => sign * Math.sin(angle))];
  const isHalf = onesided && inverse;
  const weight = (j: number) => (inverse ? (isHalf && j > 0 && 2 * j !== length ? 2 : 1) / length : 1);
  const matrix = new Float64Array(from * fromParts * to * toParts);
  for (let j = 0; j < pointsRead(fourier); j++)
    for (let k = 0; k < to; k++) {
      const angle = (j * k) % length;
      const [c, s] = [weight(j) * cos[angle]!, weight(j) * sin[angle]!];
      const parts = [
        [c, s],
        [-s, c],
      ] as const;
      for (let p = 0; p < fromParts; p++)
        for (let q = 0; q < toParts; q++)
          matrix[((j * fromParts + p) * to + k) * toParts + q] = parts[p]![q]!;
    }
  return matrix;
}
