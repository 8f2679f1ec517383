import { z } from "zod";
import { range } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import { activationName } from "../activations.ts";
import { type Architecture, architecture } from "../architecture.ts";
import {
  causalAttention,
  type DecoderInputs,
  decoderInputs,
  type RotaryTable,
  rotaryFrequencies,
  rotaryTable,
  rotated,
} from "../decoder.ts";
import type { Network } from "../network.ts";

const count = z.int().min(1);

const llamaConfig = z.object({
  vocab_size: count.default(32000),
  hidden_size: count.default(4096),
  intermediate_size: count.default(11008),
  num_hidden_layers: count.default(32),
  num_attention_heads: count.default(32),
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  hidden_act: activationName.default("silu"),
  rms_norm_eps: z.number().positive().default(1e-6),
  rope_theta: z.number().positive().optional(),
  rope_parameters: z.looseObject({ rope_theta: z.number().positive().optional() }).nullish(),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  tie_word_embeddings: z.boolean().default(false),
});
type LlamaConfig = z.output<typeof llamaConfig>;

/** Pre-norm decoder with rotary positions, gated units and grouped keys. Source: Touvron et al. 2023. */
const llama: Architecture<LlamaConfig> = {
  modelTypes: ["llama"],
  config: llamaConfig,
  prefix: "model",
  blocks: (c) => ["embed_tokens", ...range(c.num_hidden_layers).map((i) => `layers.${i}`)],
  heads: {
    features: {
      className: "LlamaModel",
      build: (m, c) => m.output("last_hidden_state", decoded(m, c)),
    },
    "causal-lm": {
      className: "LlamaForCausalLM",
      build(m, c) {
        const hidden = decoded(m.at("model"), c);
        const table = c.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight";
        m.output("logits", m.affine(hidden, m.weight(table, [c.vocab_size, c.hidden_size], "matrix")));
      },
    },
  },
};

/** Hidden states after the last normalisation, [batch, tokens, width]. */
function decoded(m: Network, c: LlamaConfig): Value {
  const inputs = decoderInputs(m);
  const base = c.rope_parameters?.rope_theta ?? c.rope_theta ?? 10_000;
  const angles = rotaryTable(m, inputs, rotaryFrequencies(headSize(c), base));
  let x = m.embedding("embed_tokens", inputs.ids, c.vocab_size, c.hidden_size);
  for (const i of range(c.num_hidden_layers)) x = layer(m.at(`layers.${i}`), c, x, { inputs, angles, i });
  return m.rmsNorm("norm", x, c.rms_norm_eps);
}

const headSize = (c: LlamaConfig): number => c.head_dim ?? c.hidden_size / c.num_attention_heads;

interface LayerInputs {
  readonly inputs: DecoderInputs;
  readonly angles: RotaryTable;
  readonly i: number;
}

function layer(m: Network, c: LlamaConfig, x: Value, { inputs, angles, i }: LayerInputs): Value {
  const { g } = m;
  const attention = m.at("self_attn");
  const normed = m.rmsNorm("input_layernorm", x, c.rms_norm_eps);
  const keyHeads = c.num_key_value_heads ?? c.num_attention_heads;
  const projected = (name: string, heads: number) =>
    attention.linear(name, normed, heads * headSize(c), { bias: c.attention_bias });
  const attended = causalAttention(
    m,
    {
      q: projected("q_proj", c.num_attention_heads),
      k: projected("k_proj", keyHeads),
      v: projected("v_proj", keyHeads),
    },
    {
      layer: i,
      heads: c.num_attention_heads,
      keyHeads,
      bias: inputs.bias,
      prepare: (heads) => rotated(m, heads, angles),
    },
  );
  const after = g.add(x, attention.linear("o_proj", attended, c.hidden_size, { bias: c.attention_bias }));
  const mlp = m.at("mlp");
  const inner = m.rmsNorm("post_attention_layernorm", after, c.rms_norm_eps);
  const wide = (name: string) => mlp.linear(name, inner, c.intermediate_size, { bias: c.mlp_bias });
  const gated = g.mul(m.activation(c.hidden_act, wide("gate_proj")), wide("up_proj"));
  return g.add(after, mlp.linear("down_proj", gated, c.hidden_size, { bias: c.mlp_bias }));
}

export const llamaArchitecture = architecture(llama);
