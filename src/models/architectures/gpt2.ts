import { z } from "zod";
import { range } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import { type Architecture, architecture } from "../architecture.ts";
import { activationName } from "../network/activations.ts";
import { count, layerCount, withAliases } from "../network/config-fields.ts";
import { causalAttention, type DecoderInputs, decoderInputs } from "../network/decoder.ts";
import { decoderHeads } from "../network/decoder-heads.ts";
import { dropoutShare } from "../network/dropout-shares.ts";
import { type Network, numberAt } from "../network/network.ts";

const gpt2Fields = z.object({
  vocab_size: count.default(50257),
  n_positions: count.default(1024),
  n_embd: count.default(768),
  n_layer: layerCount.default(12),
  n_head: count.default(12),
  n_inner: count.nullish(),
  activation_function: activationName.default("gelu_new"),
  layer_norm_epsilon: z.number().positive().default(1e-5),
  embd_pdrop: dropoutShare.default(0.1),
  resid_pdrop: dropoutShare.default(0.1),
  classifier_dropout: dropoutShare.nullish(),
  hidden_dropout: dropoutShare.nullish(),
  scale_attn_weights: z.boolean().default(true),
  scale_attn_by_inverse_layer_idx: z.boolean().default(false),
  add_cross_attention: z.literal(false).default(false),
  tie_word_embeddings: z.boolean().default(true),
});
const gpt2Config = withAliases(
  {
    hidden_size: "n_embd",
    max_position_embeddings: "n_positions",
    num_attention_heads: "n_head",
    num_hidden_layers: "n_layer",
  },
  gpt2Fields,
);
type Gpt2Config = z.output<typeof gpt2Config>;

/** Pre-norm decoder with learnt positions; its matrices are stored [in, out]. Source: Radford et al. 2019. */
const gpt2: Architecture<Gpt2Config> = {
  modelTypes: ["gpt2"],
  config: gpt2Config,
  prefix: "transformer",
  blocks: (c) => ["wte", "wpe", ...range(c.n_layer).map((i) => `h.${i}`)],
  dropout: (c) => ({
    embeddings: c.embd_pdrop,
    attention: c.resid_pdrop,
    feedforward: c.resid_pdrop,
    classifier: c.classifier_dropout ?? c.hidden_dropout ?? 0.1,
  }),
  heads: decoderHeads<Gpt2Config>({
    classStem: "GPT2",
    classNames: { "causal-lm": "GPT2LMHeadModel" },
    prefix: "transformer",
    decoded,
    wordTable: (c) => (c.tie_word_embeddings ? "transformer.wte.weight" : "lm_head.weight"),
    words: (c) => c.vocab_size,
    classifiers: { "sequence-classification": "score", "token-classification": "classifier" },
  }),
};

/** Hidden states after the last normalisation, [batch, tokens, width]. */
function decoded(m: Network, c: Gpt2Config): Value {
  const inputs = decoderInputs(m);
  const words = m.embedding("wte", inputs.ids, c.vocab_size, c.n_embd);
  const places = m.embedding("wpe", inputs.positions, c.n_positions, c.n_embd);
  let x = m.dropped("embeddings", "wte", m.g.add(words, places));
  for (const i of range(c.n_layer)) x = layer(m.at(`h.${i}`), c, x, inputs, i);
  return m.layerNorm("ln_f", x, c.layer_norm_epsilon);
}

/** x · W + b over a matrix stored [in, out]. */
function conv1d(m: Network, name: string, x: Value, out: number): Value {
  const weight = m.weight(`${name}.weight`, [numberAt(x, -1), out], "matrix");
  return m.g.add(m.g.matmul(x, weight), m.weight(`${name}.bias`, [out], "zeros"));
}

function layer(m: Network, c: Gpt2Config, x: Value, { bias }: DecoderInputs, i: number): Value {
  const { g } = m;
  const width = c.n_embd;
  const qkv = conv1d(m.at("attn"), "c_attn", m.layerNorm("ln_1", x, c.layer_norm_epsilon), 3 * width);
  const [q, k, v] = range(3).map((n) => g.slice(qkv, [2], [n * width], [(n + 1) * width])) as [
    Value,
    Value,
    Value,
  ];
  const base = c.scale_attn_weights ? 1 / Math.sqrt(width / c.n_head) : 1;
  const scale = c.scale_attn_by_inverse_layer_idx ? base / (i + 1) : base;
  const attended = causalAttention(
    m,
    { q, k, v },
    { layer: i, heads: c.n_head, keyHeads: c.n_head, bias, scale },
  );
  const attn = m.at("attn");
  const after = g.add(x, attn.dropped("attention", "c_proj", conv1d(attn, "c_proj", attended, width)));
  const mlp = m.at("mlp");
  const inner = conv1d(mlp, "c_fc", m.layerNorm("ln_2", after, c.layer_norm_epsilon), c.n_inner ?? 4 * width);
  const given = conv1d(mlp, "c_proj", m.activation(c.activation_function, inner), width);
  return g.add(after, mlp.dropped("feedforward", "c_proj", given));
}

export const gpt2Architecture = architecture(gpt2);
