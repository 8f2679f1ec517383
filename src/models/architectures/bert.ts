import { z } from "zod";
import { range } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import { activationName } from "../activations.ts";
import { type Architecture, architecture } from "../architecture.ts";
import { multiHeadAttention, paddingBias } from "../attention.ts";
import type { Network } from "../network.ts";

const count = z.int().min(1);

const bertConfig = z.object({
  vocab_size: count.default(30522),
  hidden_size: count.default(768),
  num_hidden_layers: count.default(12),
  num_attention_heads: count.default(12),
  intermediate_size: count.default(3072),
  hidden_act: activationName.default("gelu"),
  max_position_embeddings: count.default(512),
  type_vocab_size: count.default(2),
  layer_norm_eps: z.number().positive().default(1e-12),
  position_embedding_type: z.literal("absolute").default("absolute"),
});
type BertConfig = z.output<typeof bertConfig>;

/** Bidirectional transformer encoder with learnt positions, normalised after each sum. Source: Devlin et al. 2019. */
const bert: Architecture<BertConfig> = {
  modelTypes: ["bert"],
  config: bertConfig,
  prefix: "bert",
  blocks: (c) => ["embeddings", ...range(c.num_hidden_layers).map((i) => `encoder.layer.${i}`)],
  optional: /^pooler\./,
  renames: [
    [/LayerNorm\.gamma$/, "LayerNorm.weight"],
    [/LayerNorm\.beta$/, "LayerNorm.bias"],
  ],
  heads: {
    features: {
      className: "BertModel",
      build: (m, c) => m.output("last_hidden_state", encoded(m, c)),
    },
    "sequence-classification": {
      className: "BertForSequenceClassification",
      build(m, c) {
        const pooled = pooler(m.at("bert.pooler"), encoded(m.at("bert"), c));
        m.output("logits", m.linear("classifier", pooled, m.options.classes));
      },
    },
    "token-classification": {
      className: "BertForTokenClassification",
      build: (m, c) =>
        m.output("logits", m.linear("classifier", encoded(m.at("bert"), c), m.options.classes)),
    },
    "masked-lm": {
      className: "BertForMaskedLM",
      build(m, c) {
        const cls = m.at("cls.predictions");
        const dense = cls.linear("transform.dense", encoded(m.at("bert"), c), c.hidden_size);
        const x = cls.layerNorm("transform.LayerNorm", cls.activation(c.hidden_act, dense), c.layer_norm_eps);
        const words = m.weight(
          "bert.embeddings.word_embeddings.weight",
          [c.vocab_size, c.hidden_size],
          "matrix",
        );
        m.output("logits", m.affine(x, words, cls.weight("bias", [c.vocab_size], "zeros")));
      },
    },
  },
};

/** Hidden states of the last layer, [batch, tokens, width]. */
function encoded(m: Network, c: BertConfig): Value {
  const ids = m.input("input_ids", "int64", ["batch", "tokens"]);
  const mask = m.input("attention_mask", "int64", ["batch", "tokens"]);
  const types = m.input("token_type_ids", "int64", ["batch", "tokens"]);
  const bias = paddingBias(m, mask);
  let x = embedded(m.at("embeddings"), c, ids, types);
  for (const i of range(c.num_hidden_layers)) x = layer(m.at(`encoder.layer.${i}`), c, x, bias);
  return x;
}

function embedded(m: Network, c: BertConfig, ids: Value, types: Value): Value {
  const { g } = m;
  const width = c.hidden_size;
  const places = m.countedPositions(ids);
  const words = m.embedding("word_embeddings", ids, c.vocab_size, width);
  const kinds = m.embedding("token_type_embeddings", types, c.type_vocab_size, width);
  const positions = m.embedding("position_embeddings", places, c.max_position_embeddings, width);
  return m.layerNorm("LayerNorm", g.add(g.add(words, kinds), positions), c.layer_norm_eps);
}

function layer(m: Network, c: BertConfig, x: Value, bias: Value): Value {
  const self = m.at("attention.self");
  const [q, k, v] = ["query", "key", "value"].map((name) => self.linear(name, x, c.hidden_size)) as [
    Value,
    Value,
    Value,
  ];
  const attended = multiHeadAttention(m, { q, k, v }, { heads: c.num_attention_heads, biases: [bias] });
  const afterAttention = added(m.at("attention.output"), c, attended, x);
  const inner = m.activation(
    c.hidden_act,
    m.linear("intermediate.dense", afterAttention, c.intermediate_size),
  );
  return added(m.at("output"), c, inner, afterAttention);
}

/** LayerNorm(dense(x) + residual) */
const added = (m: Network, c: BertConfig, x: Value, residual: Value): Value =>
  m.layerNorm("LayerNorm", m.g.add(m.linear("dense", x, c.hidden_size), residual), c.layer_norm_eps);

/** tanh(dense(first token)): [batch, width] */
function pooler(m: Network, hidden: Value): Value {
  const first = m.firstToken(hidden);
  return m.activation("tanh", m.linear("dense", first, first.shape!.at(-1) as number));
}

export const bertArchitecture = architecture(bert);
