import { z } from "zod";
import type { Value } from "../../graph/ir.ts";
import { type Architecture, architecture } from "../architecture.ts";
import { paddingBias } from "../network/attention.ts";
import { count } from "../network/config-fields.ts";
import { hiddenShares } from "../network/dropout-shares.ts";
import type { Network } from "../network/network.ts";
import { bucketed, keyOffsets } from "../network/relative-positions.ts";
import {
  bertFields,
  denseClassifier,
  embedded,
  encoderHeads,
  type LayerNames,
  layerPaths,
  oldNorms,
  positionsBesidePadding,
  postNormLayers,
  textInputs,
  wordLogits,
} from "../network/text-encoder.ts";
import { robertaWordHead } from "./roberta.ts";

const buckets = 32;
/** Positions count from this number on, which is in transformers' code, not in its config. */
const padding = 1;

const mpnetConfig = z
  .object({
    ...bertFields,
    vocab_size: count.default(30527),
    // transformers counts 32 whatever the config says
    relative_attention_num_buckets: z.literal(buckets).default(buckets),
  })
  .transform((c) => ({ ...c, type_vocab_size: 0 }));
type MpnetConfig = z.output<typeof mpnetConfig>;

const names: LayerNames = {
  query: "attention.attn.q",
  key: "attention.attn.k",
  value: "attention.attn.v",
  attended: "attention.attn.o",
  attendedNorm: "attention.LayerNorm",
  inner: "intermediate.dense",
  outer: "output.dense",
  outerNorm: "output.LayerNorm",
};

const layers = (c: MpnetConfig): string[] => layerPaths("encoder.layer", c.num_hidden_layers);

/** RoBERTa with a bias of the scores by distance, which all layers share. Source: Song et al. 2020. */
const mpnet: Architecture<MpnetConfig> = {
  modelTypes: ["mpnet"],
  config: mpnetConfig,
  prefix: "mpnet",
  dropout: (c) => hiddenShares(c.hidden_dropout_prob),
  unusedPlaces: () => padding + 1,
  blocks: (c) => ["embeddings", "encoder.relative_attention_bias", ...layers(c)],
  renames: oldNorms,
  heads: encoderHeads<MpnetConfig>({
    classStem: "MPNet",
    prefix: "mpnet",
    encoded,
    sequence: (m, _, hidden) => denseClassifier(m, "classifier", hidden, "tanh"),
    words: (m, c, hidden) =>
      wordLogits(m, c, hidden, {
        names: robertaWordHead,
        table: "mpnet.embeddings.word_embeddings.weight",
        activation: "gelu",
      }),
  }),
};

function encoded(m: Network, c: MpnetConfig): Value {
  const { ids, mask } = textInputs(m);
  const positions = positionsBesidePadding(m, ids, padding);
  const x = embedded(m.at("embeddings"), c, { ids, positions, width: c.hidden_size });
  const biases = [distanceBias(m, c, ids), paddingBias(m, mask)];
  return postNormLayers(m, c, x, { paths: layers(c), names, biases });
}

/** What the distance of a key adds to its score: [1, heads, tokens, tokens]. */
function distanceBias(m: Network, c: MpnetConfig, ids: Value): Value {
  const rows = bucketed(m, keyOffsets(m, ids), { limit: farthest, bucketOf: distanceBucket });
  const biases = m.embedding("encoder.relative_attention_bias", rows, buckets, c.num_attention_heads);
  return m.g.unsqueeze(m.g.transpose(biases, [2, 0, 1]), [0]);
}

/** Distances from here on are alike. The number is in transformers' code, not in its config. */
const farthest = 128;

/**
 * Half of the buckets for keys that come later; in each half a bucket a distance up to a quarter of all, then as many
 * for distances that grow by a factor. Source: Raffel et al. 2020, §2.1.
 */
function distanceBucket(offset: number): number {
  const half = buckets / 2;
  const exact = half / 2;
  const start = offset > 0 ? half : 0;
  const distance = Math.abs(offset);
  if (distance < exact) return start + distance;
  const share = Math.fround(Math.log(Math.fround(distance / exact))) / Math.log(farthest / exact);
  return start + Math.min(half - 1, exact + Math.floor(Math.fround(Math.fround(share) * (half - exact))));
}

export const mpnetArchitecture = architecture(mpnet);
