import { z } from "zod";
import type { Value } from "../../graph/ir.ts";
import { type Architecture, architecture } from "../architecture.ts";
import { paddingBias } from "../network/attention.ts";
import { count } from "../network/config-fields.ts";
import type { Network } from "../network/network.ts";
import {
  bertDropout,
  bertFields,
  bertLayer,
  denseClassifier,
  embedded,
  encoderHeads,
  layerPaths,
  oldNorms,
  postNormLayers,
  textInputs,
  wordLogits,
} from "../network/text-encoder.ts";

const electraConfig = z.object({
  ...bertFields,
  vocab_size: count.default(30522),
  type_vocab_size: count.default(2),
  embedding_size: count.default(128),
  hidden_size: count.default(256),
  num_attention_heads: count.default(4),
  intermediate_size: count.default(1024),
});
type ElectraConfig = z.output<typeof electraConfig>;

const layers = (c: ElectraConfig): string[] => layerPaths("encoder.layer", c.num_hidden_layers);

/** BERT whose embeddings may be narrower, trained to find replaced words. Source: Clark et al. 2020. */
const electra: Architecture<ElectraConfig> = {
  modelTypes: ["electra"],
  config: electraConfig,
  prefix: "electra",
  dropout: bertDropout,
  blocks: (c) => [
    "embeddings",
    ...(c.embedding_size === c.hidden_size ? [] : ["embeddings_project"]),
    ...layers(c),
  ],
  renames: oldNorms,
  heads: encoderHeads<ElectraConfig>({
    classStem: "Electra",
    prefix: "electra",
    encoded,
    sequence: (m, _, hidden) => denseClassifier(m, "classifier", hidden, "gelu"),
    words: (m, c, hidden) =>
      wordLogits(m, c, hidden, {
        names: {
          dense: "generator_predictions.dense",
          norm: "generator_predictions.LayerNorm",
          bias: "generator_lm_head.bias",
          decoder: "generator_lm_head.weight",
        },
        table: "electra.embeddings.word_embeddings.weight",
        width: c.embedding_size,
        activation: "gelu",
      }),
  }),
};

function encoded(m: Network, c: ElectraConfig): Value {
  const { ids, mask } = textInputs(m);
  const positions = m.countedPositions(ids);
  const narrow = embedded(m.at("embeddings"), c, { ids, positions, width: c.embedding_size });
  const x =
    c.embedding_size === c.hidden_size ? narrow : m.linear("embeddings_project", narrow, c.hidden_size);
  return postNormLayers(m, c, x, { paths: layers(c), names: bertLayer, biases: [paddingBias(m, mask)] });
}

export const electraArchitecture = architecture(electra);
