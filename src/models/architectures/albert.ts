import { z } from "zod";
import { range } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import { type Architecture, architecture } from "../architecture.ts";
import { activationName } from "../network/activations.ts";
import { paddingBias } from "../network/attention.ts";
import { count, layerCount } from "../network/config-fields.ts";
import { dropoutShare, hiddenShares } from "../network/dropout-shares.ts";
import type { Network } from "../network/network.ts";
import {
  bertFields,
  embedded,
  encoderHeads,
  type LayerNames,
  lastLayer,
  oldNorms,
  postNormLayers,
  textInputs,
  wordLogits,
} from "../network/text-encoder.ts";

const albertConfig = z.object({
  ...bertFields,
  vocab_size: count.default(30000),
  type_vocab_size: count.default(2),
  embedding_size: count.default(128),
  hidden_size: count.default(4096),
  num_hidden_groups: layerCount.default(1),
  num_attention_heads: count.default(64),
  intermediate_size: count.default(16384),
  inner_group_num: layerCount.default(1),
  hidden_act: activationName.default("gelu_new"),
  hidden_dropout_prob: dropoutShare.default(0),
  classifier_dropout_prob: dropoutShare.nullable().default(0.1),
});
type AlbertConfig = z.output<typeof albertConfig>;

const names: LayerNames = {
  query: "attention.query",
  key: "attention.key",
  value: "attention.value",
  attended: "attention.dense",
  attendedNorm: "attention.LayerNorm",
  inner: "ffn",
  outer: "ffn_output",
  outerNorm: "full_layer_layer_norm",
};

const groupLayers = (c: AlbertConfig, group: number): string[] =>
  range(c.inner_group_num).map((i) => `encoder.albert_layer_groups.${group}.albert_layers.${i}`);

/** The paths of the layers in the order they are run: one path several times is one layer used several times. */
const layers = (c: AlbertConfig): string[] =>
  range(c.num_hidden_layers).flatMap((i) =>
    groupLayers(c, Math.floor(i / (c.num_hidden_layers / c.num_hidden_groups))),
  );

const heads = encoderHeads<AlbertConfig>({
  classStem: "Albert",
  prefix: "albert",
  encoded,
  sequence(m, c, hidden) {
    const pooled = m.activation("tanh", m.linear("albert.pooler", m.firstToken(hidden), c.hidden_size));
    return lastLayer(m, pooled);
  },
  words: (m, c, hidden) =>
    wordLogits(m, c, hidden, {
      names: {
        dense: "predictions.dense",
        norm: "predictions.LayerNorm",
        bias: "predictions.bias",
        decoder: "predictions.decoder.weight",
      },
      table: "albert.embeddings.word_embeddings.weight",
      width: c.embedding_size,
    }),
});

/** BERT whose layers share their weights. Source: Lan et al. 2020. */
const albert: Architecture<AlbertConfig> = {
  modelTypes: ["albert"],
  config: albertConfig,
  prefix: "albert",
  // transformers makes a dropout for feed-forward parts and does not use it
  dropout: (c) => ({ ...hiddenShares(c.hidden_dropout_prob, c.classifier_dropout_prob), feedforward: 0 }),
  blocks: (c) => ["embeddings", "encoder.embedding_hidden_mapping_in", ...new Set(layers(c))],
  optional: /^pooler\./,
  renames: oldNorms,
  heads: {
    ...heads,
    "token-classification": { ...heads["token-classification"]!, lacksJsClass: true },
  },
};

function encoded(m: Network, c: AlbertConfig): Value {
  const { ids, mask } = textInputs(m);
  const positions = m.countedPositions(ids);
  const narrow = embedded(m.at("embeddings"), c, { ids, positions, width: c.embedding_size });
  const x = m.linear("encoder.embedding_hidden_mapping_in", narrow, c.hidden_size);
  return postNormLayers(m, c, x, { paths: layers(c), names, biases: [paddingBias(m, mask)] });
}

export const albertArchitecture = architecture(albert);
