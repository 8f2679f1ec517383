import { z } from "zod";
import { architecture } from "../architecture.ts";
import { type ActivationName, activationName } from "../network/activations.ts";
import { count, layerCount } from "../network/config-fields.ts";
import {
  type GatedConfig,
  type GatedRow,
  gatedDecoder,
  gatedFields,
  isListedSliding,
  layerTypes,
} from "../network/gated-decoder.ts";
import { type RopeConfig, ropeOf, ropeOfKinds } from "../network/rope.ts";

const gemma2Config = z.object({
  ...gatedFields,
  vocab_size: count.default(256000),
  hidden_size: count.default(2304),
  intermediate_size: count.default(9216),
  num_hidden_layers: layerCount.default(26),
  num_attention_heads: count.default(8),
  num_key_value_heads: count.nullish().default(4),
  head_dim: count.nullish().default(256),
  hidden_activation: activationName.nullish().default("gelu_pytorch_tanh"),
  max_position_embeddings: count.default(8192),
  tie_word_embeddings: z.boolean().default(true),
  attention_bias: z.boolean().default(false),
  query_pre_attn_scalar: z.number().positive().default(256),
  sliding_window: count.nullish().default(4096),
  layer_types: layerTypes,
  final_logit_softcapping: z.number().positive().nullish().default(30),
  attn_logit_softcapping: z.number().positive().nullish().default(50),
  use_bidirectional_attention: z.literal(false).nullish(),
});
type Gemma2Config = z.output<typeof gemma2Config>;

interface GemmaConfig extends GatedConfig {
  readonly hidden_activation?: ActivationName | null | undefined;
  readonly attention_bias: boolean;
  readonly query_pre_attn_scalar: number;
}

/** What both generations have in common. */
const gemma = <C extends GemmaConfig>(): Pick<
  GatedRow<C>,
  "activation" | "biases" | "isScaledFromOne" | "normalizes" | "embeddingScale" | "scoreScale"
> => ({
  activation: (c) => c.hidden_activation ?? "gelu_pytorch_tanh",
  biases: (c) => ({ qkv: c.attention_bias, output: c.attention_bias, units: false }),
  isScaledFromOne: true,
  normalizes: "around",
  embeddingScale: (c) => Math.sqrt(c.hidden_size),
  scoreScale: (c) => 1 / Math.sqrt(c.query_pre_attn_scalar),
});

/** Gemma 2: every other layer looks back over a window. Source: Gemma Team 2024. */
export const gemma2Architecture = architecture(
  gatedDecoder<Gemma2Config>({
    ...gemma(),
    modelTypes: ["gemma2"],
    className: "Gemma2",
    config: gemma2Config,
    caps: (c) => ({ scores: c.attn_logit_softcapping, logits: c.final_logit_softcapping }),
    layer(c, i) {
      const isSliding = isListedSliding(c, i) ?? i % 2 === 0;
      return {
        rope: ropeOf(c, c.head_dim ?? 256),
        window: isSliding ? (c.sliding_window ?? undefined) : undefined,
      };
    },
    heads: ["sequence-classification", "token-classification"],
  }),
);

const gemma3Config = gemma2Config.extend({
  max_position_embeddings: count.default(131_072),
  final_logit_softcapping: z.number().positive().nullish(),
  rope_parameters: ropeOfKinds.nullish(),
  rope_local_base_freq: z.number().positive().default(10_000),
  use_bidirectional_attention: z.boolean().nullish(),
  sliding_window_pattern: count.default(6),
});
type Gemma3Config = z.output<typeof gemma3Config>;

/** Gemma 3, its text model: five layers with a window to one without, each kind with angles of its own. Source: Gemma Team 2025. */
export const gemma3Architecture = architecture(
  gatedDecoder<Gemma3Config>({
    ...gemma(),
    modelTypes: ["gemma3_text"],
    className: "Gemma3",
    bodyName: "Gemma3TextModel",
    headsName: "Gemma3Text",
    config: gemma3Config,
    // transformers has a field for a cap of scores too, and does not use it
    caps: (c) => ({ logits: c.final_logit_softcapping }),
    normalizesQueries: "heads",
    isBidirectional: (c) => c.use_bidirectional_attention === true,
    layer(c, i) {
      const isSliding = isListedSliding(c, i) ?? (i + 1) % c.sliding_window_pattern !== 0;
      const { full_attention: full, sliding_attention: sliding } = c.rope_parameters ?? {};
      const rope = (given: RopeConfig["rope_scaling"]) =>
        ropeOf({ ...c, rope_scaling: given, rope_theta: undefined }, c.head_dim ?? 256);
      // In an older config the base and the scaling are those of the layers without a window.
      if (!isSliding) return { rope: rope({ rope_theta: c.rope_theta ?? 1e6, ...full, ...c.rope_scaling }) };
      // read both ways, half of it lies on either side
      const wide = c.sliding_window ?? undefined;
      const window = wide && c.use_bidirectional_attention ? Math.floor(wide / 2) + 1 : wide;
      return { rope: rope({ rope_theta: c.rope_local_base_freq, ...sliding }), window };
    },
    heads: ["sequence-classification"],
  }),
);
