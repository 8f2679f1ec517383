import type { Schema } from "./schema.ts";

const window = {
  inputs: ["size"],
  outputs: ["output"],
  attributes: { output_datatype: 1, periodic: 1 },
} as const;

/** Spectra, and what they are taken with. */
export const signal = {
  BlackmanWindow: window,
  DFT: {
    inputs: ["input", "dft_length?", "axis?"],
    outputs: ["output"],
    attributes: { inverse: 0, onesided: 0 },
  },
  HammingWindow: window,
  HannWindow: window,
  MelWeightMatrix: {
    inputs: ["num_mel_bins", "dft_length", "sample_rate", "lower_edge_hertz", "upper_edge_hertz"],
    outputs: ["output"],
    attributes: { output_datatype: 1 },
  },
  STFT: {
    inputs: ["signal", "frame_step", "window?", "frame_length?"],
    outputs: ["output"],
    attributes: { onesided: 1 },
  },
} as const satisfies { readonly [op: string]: Schema };
