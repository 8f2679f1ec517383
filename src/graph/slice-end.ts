/** The greatest numbers of int32 and int64, the latter as a number of JavaScript. */
const greatest: ReadonlySet<number> = new Set([2 ** 31 - 1, 2 ** 63]);

/**
 * The end of a slice as ONNX Runtime reads it: backwards the greatest number of its type means past the first element, as
 * the least one does; ONNX's text has the least one alone.
 */
export const sliceEnd = (end: number, step: number): number =>
  step < 0 && greatest.has(end) ? Number.NEGATIVE_INFINITY : end;
