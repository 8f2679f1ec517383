import { z } from "zod";
import { architecture } from "../architecture.ts";
import { count } from "../network/config-fields.ts";
import { gatedDecoder, gatedFields, isListedSliding, layerTypes } from "../network/gated-decoder.ts";
import { ropeOf } from "../network/rope.ts";

const qwenConfig = z.object({
  ...gatedFields,
  vocab_size: count.default(151936),
  intermediate_size: count.default(22016),
  num_key_value_heads: count.nullish().default(32),
  use_sliding_window: z.boolean().default(false),
  sliding_window: count.nullish().default(4096),
  max_window_layers: z.int().min(0).default(28),
  layer_types: layerTypes,
});
type QwenConfig = z.output<typeof qwenConfig>;

/** Layers look back over a window where the config lists them so, or from a layer on. */
function windowOf(c: QwenConfig, i: number): number | undefined {
  const isSliding = isListedSliding(c, i) ?? (c.use_sliding_window && i >= c.max_window_layers);
  return isSliding ? (c.sliding_window ?? undefined) : undefined;
}

/** Qwen2 and Qwen2.5: a LLaMA with biases at queries, keys and values. Source: Yang et al. 2024. */
export const qwen2Architecture = architecture(
  gatedDecoder<QwenConfig>({
    modelTypes: ["qwen2"],
    className: "Qwen2",
    config: qwenConfig,
    activation: (c) => c.hidden_act,
    biases: () => ({ qkv: true, output: false, units: false }),
    layer: (c, i) => ({
      rope: ropeOf(c, c.head_dim ?? c.hidden_size / c.num_attention_heads),
      window: windowOf(c, i),
    }),
    heads: ["sequence-classification", "token-classification"],
  }),
);

const qwen3Config = qwenConfig.extend({
  head_dim: count.nullish().default(128),
  attention_bias: z.boolean().default(false),
});

/** Qwen3: heads of queries and keys are normalised. Source: Yang et al. 2025. */
export const qwen3Architecture = architecture(
  gatedDecoder<z.output<typeof qwen3Config>>({
    modelTypes: ["qwen3"],
    className: "Qwen3",
    config: qwen3Config,
    activation: (c) => c.hidden_act,
    biases: (c) => ({ qkv: c.attention_bias, output: c.attention_bias, units: false }),
    layer: (c, i) => ({ rope: ropeOf(c, c.head_dim ?? 128), window: windowOf(c, i) }),
    normalizesQueries: "heads",
    heads: ["sequence-classification", "token-classification"],
  }),
);
