import { ints, optionalInt, type Schema, texts } from "./schema.ts";

const shared = {
  activation_alpha: ints,
  activation_beta: ints,
  activations: texts,
  clip: 0,
  direction: "forward",
  hidden_size: optionalInt,
  layout: 0,
};

/** Recurrent layers. `clip` 0: no limit. */
export const recurrent = {
  GRU: {
    inputs: ["X", "W", "R", "B?", "sequence_lens?", "initial_h?"],
    outputs: ["Y?", "Y_h?"],
    attributes: { ...shared, linear_before_reset: 0 },
  },
  LSTM: {
    inputs: ["X", "W", "R", "B?", "sequence_lens?", "initial_h?", "initial_c?", "P?"],
    outputs: ["Y?", "Y_h?", "Y_c?"],
    attributes: { ...shared, input_forget: 0 },
  },
  RNN: {
    inputs: ["X", "W", "R", "B?", "sequence_lens?", "initial_h?"],
    outputs: ["Y?", "Y_h?"],
    attributes: shared,
  },
} as const satisfies { readonly [op: string]: Schema };
