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
  positionsBesidePadding,
  postNormLayers,
  textInputs,
  type WordHead,
  wordLogits,
} from "../network/text-encoder.ts";

const robertaConfig = z
  .object({
    ...bertFields,
    vocab_size: count.default(50265),
    type_vocab_size: count.default(2),
    pad_token_id: z.int().min(0).default(1),
  })
  .refine((c) => c.pad_token_id + 1 < c.max_position_embeddings, {
    path: ["pad_token_id"],
    error: "positions count from the one after it, and there are no more than max_position_embeddings",
  });
type RobertaConfig = z.output<typeof robertaConfig>;

const layers = (c: RobertaConfig): string[] => layerPaths("encoder.layer", c.num_hidden_layers);

/** The head for words of RoBERTa and of networks that took it over. */
export const robertaWordHead: WordHead = {
  dense: "lm_head.dense",
  norm: "lm_head.layer_norm",
  bias: "lm_head.bias",
  decoder: "lm_head.decoder.weight",
};

/** BERT whose positions count from the padding's number on, with another head. Source: Liu et al. 2019. */
const roberta = (modelType: string, classStem: string): Architecture =>
  architecture<RobertaConfig>({
    modelTypes: [modelType],
    config: robertaConfig,
    prefix: "roberta",
    dropout: bertDropout,
    blocks: (c) => ["embeddings", ...layers(c)],
    unusedPlaces: (c) => c.pad_token_id + 1,
    renames: oldNorms,
    heads: encoderHeads<RobertaConfig>({
      classStem,
      prefix: "roberta",
      encoded,
      sequence: (m, _, hidden) => denseClassifier(m, "classifier", hidden, "tanh"),
      words: (m, c, hidden) =>
        wordLogits(m, c, hidden, {
          names: robertaWordHead,
          table: "roberta.embeddings.word_embeddings.weight",
          activation: "gelu",
        }),
    }),
  });

function encoded(m: Network, c: RobertaConfig): Value {
  const { ids, mask } = textInputs(m);
  const positions = positionsBesidePadding(m, ids, c.pad_token_id);
  const x = embedded(m.at("embeddings"), c, { ids, positions, width: c.hidden_size });
  return postNormLayers(m, c, x, { paths: layers(c), names: bertLayer, biases: [paddingBias(m, mask)] });
}

export const robertaArchitectures: readonly Architecture[] = [
  roberta("roberta", "Roberta"),
  roberta("xlm-roberta", "XLMRoberta"),
  roberta("camembert", "Camembert"),
];
