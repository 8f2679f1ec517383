import { z } from "zod";
import { range } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import { type Architecture, architecture } from "../architecture.ts";
import { activationName } from "../network/activations.ts";
import { count, headSize, layerCount } from "../network/config-fields.ts";
import {
  causalAttention,
  type DecoderInputs,
  decoderInputs,
  type RotaryTable,
  rotaryTable,
  rotated,
} from "../network/decoder.ts";
import { decoderHeads } from "../network/decoder-heads.ts";
import { dropoutShare, hiddenShares } from "../network/dropout-shares.ts";
import type { Network } from "../network/network.ts";
import { ropeFields, ropeOf } from "../network/rope.ts";

const gptNeoxConfig = z.object({
  ...ropeFields,
  vocab_size: count.default(50432),
  hidden_size: count.default(6144),
  num_hidden_layers: layerCount.default(44),
  num_attention_heads: count.default(64),
  intermediate_size: count.default(24576),
  hidden_act: activationName.default("gelu"),
  layer_norm_eps: z.number().positive().default(1e-5),
  tie_word_embeddings: z.boolean().default(false),
  use_parallel_residual: z.boolean().default(true),
  attention_bias: z.boolean().default(true),
  rotary_pct: z.number().gt(0).max(1).default(0.25),
  rotary_emb_base: z.number().positive().default(10_000),
  hidden_dropout: dropoutShare.default(0),
  classifier_dropout: dropoutShare.default(0.1),
});
type GptNeoxConfig = z.output<typeof gptNeoxConfig>;

/** GPT-NeoX and Pythia: attention and feed-forward part read the same, side by side. Source: Black et al. 2022. */
const gptNeox: Architecture<GptNeoxConfig> = {
  modelTypes: ["gpt_neox"],
  config: gptNeoxConfig,
  prefix: "gpt_neox",
  blocks: (c) => ["embed_in", ...range(c.num_hidden_layers).map((i) => `layers.${i}`)],
  // transformers 5 has a name of its own for it, and reads the older one as well
  renames: [[/^lm_head\./, "embed_out."]],
  modules: [[/^embed_out(?=\.|$)/, "lm_head"]],
  dropout: (c) => hiddenShares(c.hidden_dropout, c.classifier_dropout),
  heads: decoderHeads<GptNeoxConfig>({
    classStem: "GPTNeoX",
    prefix: "gpt_neox",
    decoded,
    wordTable: (c) => (c.tie_word_embeddings ? "gpt_neox.embed_in.weight" : "embed_out.weight"),
    words: (c) => c.vocab_size,
    classifiers: { "sequence-classification": "score", "token-classification": "classifier" },
  }),
};

/** Hidden states after the last normalisation, [batch, tokens, width]. */
function decoded(m: Network, c: GptNeoxConfig): Value {
  const inputs = decoderInputs(m);
  const given = { ...c, partial_rotary_factor: c.rotary_pct, rope_theta: c.rotary_emb_base };
  const table = rotaryTable(m, inputs, ropeOf(given, c.hidden_size / c.num_attention_heads));
  const words = m.embedding("embed_in", inputs.ids, c.vocab_size, c.hidden_size);
  let x = m.dropped("embeddings", "embed_in", words);
  for (const i of range(c.num_hidden_layers)) x = layer(m.at(`layers.${i}`), c, x, { inputs, table, i });
  return m.layerNorm("final_layer_norm", x, c.layer_norm_eps);
}

interface LayerInputs {
  readonly inputs: DecoderInputs;
  readonly table: RotaryTable;
  readonly i: number;
}

function layer(m: Network, c: GptNeoxConfig, x: Value, own: LayerInputs): Value {
  const { g } = m;
  const norm = (name: string, value: Value) => m.layerNorm(name, value, c.layer_norm_eps);
  const attended = attention(m.at("attention"), c, norm("input_layernorm", x), own);
  const after = g.add(x, attended);
  const read = norm("post_attention_layernorm", c.use_parallel_residual ? x : after);
  const mlp = m.at("mlp");
  const inner = m.activation(c.hidden_act, mlp.linear("dense_h_to_4h", read, c.intermediate_size));
  const given = mlp.linear("dense_4h_to_h", inner, c.hidden_size);
  return g.add(after, mlp.dropped("feedforward", "dense_4h_to_h", given));
}

function attention(m: Network, c: GptNeoxConfig, x: Value, { inputs, table, i }: LayerInputs): Value {
  const { g } = m;
  const [width, heads, bias] = [c.hidden_size, c.num_attention_heads, c.attention_bias];
  const size = headSize(width, heads);
  // each head's query, key and value lie side by side
  const all = m.linear("query_key_value", x, 3 * width, { bias });
  const split = g.op("Reshape", [all, g.ints([0, 0, heads, 3 * size])]);
  const part = (n: number) =>
    g.op("Reshape", [g.slice(split, [3], [n * size], [(n + 1) * size]), g.ints([0, 0, width])]);
  const attended = causalAttention(
    m,
    { q: part(0), k: part(1), v: part(2) },
    { layer: i, heads, keyHeads: heads, bias: inputs.bias, prepare: (head) => rotated(m, head, table) },
  );
  return m.dropped("attention", "dense", m.linear("dense", attended, width, { bias }));
}

export const gptNeoxArchitecture = architecture(gptNeox);
