import type { Value } from "./value.ts";

/** Whether a name is that of a sampling rate, which tells that a graph is about sound. */
export const namesSampleRate = (name: string): boolean => /^(sr|.*sampl(e|ing)_?rate)$/i.test(name);

/** A whole number that says how many samples of sound are a second; models choose their filters by it. */
export const isSampleRate = ({ name, dtype, shape }: Value): boolean =>
  shape?.length === 0 && dtype === "int64" && namesSampleRate(name);

/** Samples of a second of speech. */
export const usualSampleRate = 16_000;
