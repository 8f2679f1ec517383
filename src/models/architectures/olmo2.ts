import { z } from "zod";
import { architecture } from "../architecture.ts";
import { count } from "../network/config-fields.ts";
import { gatedDecoder, gatedFields } from "../network/gated-decoder.ts";
import { ropeOf } from "../network/rope.ts";

const olmo2Config = z.object({
  ...gatedFields,
  vocab_size: count.default(50304),
  rms_norm_eps: z.number().positive().default(1e-5),
  attention_bias: z.boolean().default(false),
});

/** OLMo 2: normalises what attention and units give instead of what they read, and queries and keys. Source: OLMo Team 2025. */
export const olmo2Architecture = architecture(
  gatedDecoder<z.output<typeof olmo2Config>>({
    modelTypes: ["olmo2"],
    className: "Olmo2",
    config: olmo2Config,
    activation: (c) => c.hidden_act,
    biases: (c) => ({ qkv: c.attention_bias, output: c.attention_bias, units: false }),
    layer: (c) => ({ rope: ropeOf(c, c.head_dim ?? c.hidden_size / c.num_attention_heads) }),
    normalizes: "after",
    normalizesQueries: "whole",
    heads: ["sequence-classification"],
  }),
);
