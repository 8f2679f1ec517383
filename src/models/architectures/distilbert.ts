import { z } from "zod";
import type { Value } from "../../graph/ir.ts";
import { type Architecture, architecture } from "../architecture.ts";
import { activationName } from "../network/activations.ts";
import { paddingBias } from "../network/attention.ts";
import { count, layerCount, withAliases } from "../network/config-fields.ts";
import { dropoutShare, hiddenShares } from "../network/dropout-shares.ts";
import type { Network } from "../network/network.ts";
import {
  embedded,
  encoderHeads,
  firstTokenDense,
  type LayerNames,
  lastLayer,
  layerPaths,
  oldNorms,
  postNormLayers,
  textInputs,
  wordLogits,
} from "../network/text-encoder.ts";

const distilbertFields = z
  .object({
    vocab_size: count.default(30522),
    max_position_embeddings: count.default(512),
    n_layers: layerCount.default(6),
    n_heads: count.default(12),
    dim: count.default(768),
    hidden_dim: count.default(3072),
    activation: activationName.default("gelu"),
    tie_word_embeddings: z.boolean().default(true),
    dropout: dropoutShare.default(0.1),
    seq_classif_dropout: dropoutShare.default(0.2),
  })
  .transform((c) => ({
    ...c,
    hidden_size: c.dim,
    num_attention_heads: c.n_heads,
    intermediate_size: c.hidden_dim,
    hidden_act: c.activation,
    type_vocab_size: 0,
    // the number is in transformers' code, not in its config
    layer_norm_eps: 1e-12,
  }));
const distilbertConfig = withAliases(
  { hidden_size: "dim", num_attention_heads: "n_heads", num_hidden_layers: "n_layers" },
  distilbertFields,
);
type DistilbertConfig = z.output<typeof distilbertConfig>;

const names: LayerNames = {
  query: "attention.q_lin",
  key: "attention.k_lin",
  value: "attention.v_lin",
  attended: "attention.out_lin",
  attendedNorm: "sa_layer_norm",
  inner: "ffn.lin1",
  outer: "ffn.lin2",
  outerNorm: "output_layer_norm",
};

const layers = (c: DistilbertConfig): string[] => layerPaths("transformer.layer", c.n_layers);

/** BERT without kinds of text and without a pooler, distilled from it. Source: Sanh et al. 2019. */
const distilbert: Architecture<DistilbertConfig> = {
  modelTypes: ["distilbert"],
  config: distilbertConfig,
  prefix: "distilbert",
  dropout: (c, head) =>
    hiddenShares(c.dropout, head === "sequence-classification" ? c.seq_classif_dropout : c.dropout),
  blocks: (c) => ["embeddings", ...layers(c)],
  renames: oldNorms,
  heads: encoderHeads<DistilbertConfig>({
    classStem: "DistilBert",
    prefix: "distilbert",
    encoded,
    sequence: (m, _, hidden) => lastLayer(m, firstTokenDense(m, "pre_classifier", hidden, "relu")),
    words: (m, c, hidden) =>
      wordLogits(m, c, hidden, {
        names: {
          dense: "vocab_transform",
          norm: "vocab_layer_norm",
          bias: "vocab_projector.bias",
          decoder: "vocab_projector.weight",
        },
        table: "distilbert.embeddings.word_embeddings.weight",
      }),
  }),
};

function encoded(m: Network, c: DistilbertConfig): Value {
  const { ids, mask } = textInputs(m);
  const positions = m.countedPositions(ids);
  const x = embedded(m.at("embeddings"), c, { ids, positions, width: c.dim });
  return postNormLayers(m, c, x, { paths: layers(c), names, biases: [paddingBias(m, mask)] });
}

export const distilbertArchitecture = architecture(distilbert);
