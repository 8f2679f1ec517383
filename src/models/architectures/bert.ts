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
  embedded,
  encoderHeads,
  firstTokenDense,
  lastLayer,
  layerPaths,
  oldNorms,
  postNormLayers,
  textInputs,
  wordLogits,
} from "../network/text-encoder.ts";

const bertConfig = z.object({
  ...bertFields,
  vocab_size: count.default(30522),
  type_vocab_size: count.default(2),
});
type BertConfig = z.output<typeof bertConfig>;

const layers = (c: BertConfig): string[] => layerPaths("encoder.layer", c.num_hidden_layers);

/** Bidirectional transformer encoder with learnt positions, normalised after each sum. Source: Devlin et al. 2019. */
const bert: Architecture<BertConfig> = {
  modelTypes: ["bert"],
  config: bertConfig,
  prefix: "bert",
  dropout: bertDropout,
  blocks: (c) => ["embeddings", ...layers(c)],
  optional: /^pooler\./,
  renames: oldNorms,
  heads: encoderHeads<BertConfig>({
    classStem: "Bert",
    prefix: "bert",
    encoded,
    sequence: (m, _, hidden) => lastLayer(m, firstTokenDense(m, "bert.pooler.dense", hidden, "tanh")),
    words: (m, c, hidden) =>
      wordLogits(m, c, hidden, {
        names: {
          dense: "cls.predictions.transform.dense",
          norm: "cls.predictions.transform.LayerNorm",
          bias: "cls.predictions.bias",
          decoder: "cls.predictions.decoder.weight",
        },
        table: "bert.embeddings.word_embeddings.weight",
      }),
  }),
};

/** Hidden states of the last layer, [batch, tokens, width]. */
function encoded(m: Network, c: BertConfig): Value {
  const { ids, mask } = textInputs(m);
  const positions = m.countedPositions(ids);
  const x = embedded(m.at("embeddings"), c, { ids, positions, width: c.hidden_size });
  return postNormLayers(m, c, x, { paths: layers(c), names: bertLayer, biases: [paddingBias(m, mask)] });
}

export const bertArchitecture = architecture(bert);
