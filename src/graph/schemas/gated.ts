import { binary, optionalInt, type Schema } from "./schema.ts";

/** Operators of models that gate what they carry from token to token. */
export const gated = {
  CausalConvWithState: {
    inputs: ["input", "weight", "bias?", "past_state?"],
    outputs: ["output", "present_state"],
    attributes: { activation: "none" },
  },
  LinearAttention: {
    inputs: ["query", "key", "value", "past_state?", "decay?", "beta?"],
    outputs: ["output", "present_state"],
    attributes: {
      chunk_size: 64,
      kv_num_heads: optionalInt,
      q_num_heads: optionalInt,
      scale: 0,
      update_rule: "gated_delta",
    },
  },
  SwiGLU: { inputs: binary.inputs, outputs: ["Y"], attributes: { alpha: 1 } },
} as const satisfies { readonly [op: string]: Schema };
