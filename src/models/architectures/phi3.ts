import { z } from "zod";
import { architecture } from "../architecture.ts";
import { count } from "../network/config-fields.ts";
import { gatedDecoder, gatedFields } from "../network/gated-decoder.ts";
import { ropeOf } from "../network/rope.ts";

const phi3Config = z.object({
  ...gatedFields,
  vocab_size: count.default(32064),
  hidden_size: count.default(3072),
  intermediate_size: count.default(8192),
  max_position_embeddings: count.default(4096),
  original_max_position_embeddings: z.number().positive().default(4096),
  rms_norm_eps: z.number().positive().default(1e-5),
  sliding_window: count.nullish(),
});

/** Phi-3: one matrix for queries, keys and values, and one for both halves of the gated units. Source: Abdin et al. 2024. */
export const phi3Architecture = architecture(
  gatedDecoder<z.output<typeof phi3Config>>({
    modelTypes: ["phi3"],
    className: "Phi3",
    config: phi3Config,
    activation: (c) => c.hidden_act,
    biases: () => ({ qkv: false, output: false, units: false }),
    layer: (c) => ({
      rope: ropeOf(c, c.head_dim ?? c.hidden_size / c.num_attention_heads),
      window: c.sliding_window ?? undefined,
    }),
    isFused: true,
    turnsParts: true,
    heads: ["sequence-classification", "token-classification"],
  }),
);
