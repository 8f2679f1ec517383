import { z } from "zod";
import { architecture } from "../architecture.ts";
import { count } from "../network/config-fields.ts";
import { gatedDecoder, gatedFields } from "../network/gated-decoder.ts";
import { ropeOf } from "../network/rope.ts";

const headSize = (c: {
  head_dim?: number | null | undefined;
  hidden_size: number;
  num_attention_heads: number;
}) => c.head_dim ?? c.hidden_size / c.num_attention_heads;

const llamaConfig = z.object({
  ...gatedFields,
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
});

/** LLaMA 1 to 3, SmolLM and others that share its type. */
export const llamaArchitecture = architecture(
  gatedDecoder<z.output<typeof llamaConfig>>({
    modelTypes: ["llama"],
    className: "Llama",
    config: llamaConfig,
    activation: (c) => c.hidden_act,
    biases: (c) => ({ qkv: c.attention_bias, output: c.attention_bias, units: c.mlp_bias }),
    layer: (c) => ({ rope: ropeOf(c, headSize(c)) }),
    heads: ["sequence-classification", "token-classification"],
  }),
);

const mistralConfig = z.object({
  ...gatedFields,
  intermediate_size: count.default(14336),
  num_key_value_heads: count.nullish().default(8),
  sliding_window: count.nullish().default(4096),
});

/** A LLaMA whose layers look back over a window. Source: Jiang et al. 2023. */
export const mistralArchitecture = architecture(
  gatedDecoder<z.output<typeof mistralConfig>>({
    modelTypes: ["mistral"],
    className: "Mistral",
    config: mistralConfig,
    activation: (c) => c.hidden_act,
    biases: () => ({ qkv: false, output: false, units: false }),
    layer: (c) => ({ rope: ropeOf(c, headSize(c)), window: c.sliding_window ?? undefined }),
    heads: ["sequence-classification", "token-classification"],
  }),
);
