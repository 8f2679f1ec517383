/**
 * Standard deviation of what rounding does to a loss, from its values at equal tiny steps: in their third differences all
 * that is smooth has gone (Moré and Wild, "Estimating computational noise", 2011).
 */
export function noiseOf(values: readonly number[]): number {
  let differences = values;
  for (let order = 1; order <= 3; order++)
    differences = differences.slice(1).map((value, i) => value - differences[i]!);
  const meanSquare = differences.reduce((sum, d) => sum + d * d, 0) / differences.length;
  return Math.sqrt(meanSquare / 20); // (2·3)! / 3!², the variance of a third difference of independent numbers
}

/** Of two slopes, relative to the larger one and to `floor`; 0 where they differ by no more than `noise`. */
export function relativeError(a: number, b: number, floor: number, noise: number): number {
  const difference = Math.abs(a - b);
  return difference <= noise ? 0 : difference / Math.max(Math.abs(a), Math.abs(b), floor);
}
