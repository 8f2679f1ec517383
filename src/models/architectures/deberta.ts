import { z } from "zod";
import { range } from "../../graph/builder.ts";
import { fromHeads, intoHeads } from "../../graph/expansions/attention-core.ts";
import type { Value } from "../../graph/ir.ts";
import { type Architecture, architecture } from "../architecture.ts";
import { activationName } from "../network/activations.ts";
import { count, headSize, layerCount } from "../network/config-fields.ts";
import { dropoutShare, hiddenShares } from "../network/dropout-shares.ts";
import type { Network } from "../network/network.ts";
import { bucketed, everyOffset, skewed } from "../network/relative-positions.ts";
import {
  bertFields,
  bertLayer,
  encoderHeads,
  firstTokenDense,
  type LayerNames,
  lastLayer,
  layerPaths,
  oldNorms,
  type Projected,
  postNormLayer,
  textInputs,
  typeEmbedding,
  wordLogits,
} from "../network/text-encoder.ts";

const termName = z.enum(["c2p", "p2c"]);

/** Distances are looked up in a table that has a number for each. */
const mostPositions = 2 ** 20;

const debertaConfig = z
  .object({
    ...bertFields,
    vocab_size: count.default(128100),
    hidden_size: count.default(1536),
    num_hidden_layers: layerCount.default(24),
    num_attention_heads: count.default(24),
    intermediate_size: count.default(6144),
    type_vocab_size: z.int().min(0).default(0),
    layer_norm_eps: z.number().positive().default(1e-7),
    embedding_size: count.optional(),
    relative_attention: z.literal(true, "only networks with relative attention are built"),
    max_position_embeddings: count.max(mostPositions).default(512),
    max_relative_positions: z.int().max(mostPositions).default(-1),
    position_buckets: z.int().max(mostPositions).default(-1),
    position_biased_input: z.boolean().default(true),
    norm_rel_ebd: z.enum(["none", "layer_norm"]).default("none"),
    share_att_key: z.boolean().default(false),
    pos_att_type: z
      .union([
        z.array(termName),
        z
          .string()
          .transform((text) => text.split("|").map((name) => name.trim().toLowerCase()))
          .pipe(z.array(termName)),
      ])
      .nullish()
      .transform((terms) => terms ?? []),
    conv_kernel_size: z
      .int()
      .refine((size) => size === 0 || size % 2 === 1, "kernels of an even size are not built")
      .default(0),
    conv_groups: z.literal(1, "convolutions in groups are not built").default(1),
    conv_act: activationName.default("tanh"),
    pooler_hidden_act: activationName.default("gelu"),
    cls_dropout: dropoutShare.nullish(),
    legacy: z.boolean().default(true),
    attention_head_size: count.optional(),
  })
  .refine(
    (c) =>
      c.attention_head_size === undefined || c.attention_head_size * c.num_attention_heads === c.hidden_size,
    { path: ["attention_head_size"], message: "heads that do not fill hidden_size are not built" },
  );
type DebertaConfig = z.output<typeof debertaConfig>;

const names: LayerNames = {
  ...bertLayer,
  query: "attention.self.query_proj",
  key: "attention.self.key_proj",
  value: "attention.self.value_proj",
};

/** BERT whose attention scores content and distance apart. Source: He et al. 2021; v3: He et al. 2023. */
const deberta: Architecture<DebertaConfig> = {
  modelTypes: ["deberta-v2"],
  config: debertaConfig,
  prefix: "deberta",
  dropout: (c, head) =>
    hiddenShares(c.hidden_dropout_prob, head === "sequence-classification" ? c.cls_dropout : undefined),
  blocks(c) {
    const [first, ...others] = layerPaths("encoder.layer", c.num_hidden_layers);
    return [
      "embeddings",
      "encoder.rel_embeddings",
      ...(c.norm_rel_ebd === "layer_norm" ? ["encoder.LayerNorm"] : []),
      first!,
      ...(c.conv_kernel_size > 0 ? ["encoder.conv"] : []),
      ...others,
    ];
  },
  renames: oldNorms,
  heads: encoderHeads<DebertaConfig>({
    classStem: "DebertaV2",
    prefix: "deberta",
    encoded,
    sequence: (m, c, hidden) => lastLayer(m, firstTokenDense(m, "pooler.dense", hidden, c.pooler_hidden_act)),
    words: (m, c, hidden) =>
      wordLogits(m, c, hidden, {
        names: c.legacy ? tiedWordHead : wordHead,
        table: "deberta.embeddings.word_embeddings.weight",
        width: c.legacy ? embeddingSize(c) : c.hidden_size,
        isTied: c.tie_word_embeddings || !c.legacy,
      }),
  }),
};

const tiedWordHead = {
  dense: "cls.predictions.transform.dense",
  norm: "cls.predictions.transform.LayerNorm",
  bias: "cls.predictions.bias",
  decoder: "cls.predictions.decoder.weight",
};
const wordHead = {
  dense: "lm_predictions.lm_head.dense",
  norm: "lm_predictions.lm_head.LayerNorm",
  bias: "lm_predictions.lm_head.bias",
  decoder: "lm_predictions.lm_head.decoder.weight",
};

const embeddingSize = (c: DebertaConfig): number => c.embedding_size ?? c.hidden_size;

/** Hidden states of the last layer, [batch, tokens, width]. */
function encoded(m: Network, c: DebertaConfig): Value {
  const { g } = m;
  const { ids, mask } = textInputs(m);
  const isText = g.cast(mask, "bool");
  const isPair = g.op("And", [g.unsqueeze(isText, [1, 3]), g.unsqueeze(isText, [1, 2])]);
  const textOnly = (x: Value) => g.mul(x, g.unsqueeze(g.cast(mask, "float32"), [2]));
  const embeddings = m.dropped("embeddings", "embeddings", textOnly(words(m.at("embeddings"), c, ids)));
  const distances = distanceRows(m.at("encoder"), c, ids);
  let x = embeddings;
  for (const [i, path] of layerPaths("encoder.layer", c.num_hidden_layers).entries()) {
    const layer = m.at(path);
    x = postNormLayer(layer, c, names, x, (projected) =>
      disentangled(layer.at("attention.self"), c, projected, { distances, isPair, ids }),
    );
    if (i === 0 && c.conv_kernel_size > 0) {
      const conv = m.at("encoder.conv");
      const around = textOnly(neighbours(conv.at("conv"), c, embeddings));
      const near = m.activation(c.conv_act, conv.dropped("feedforward", "conv", around));
      x = textOnly(conv.layerNorm("LayerNorm", g.add(x, near), c.layer_norm_eps));
    }
  }
  return x;
}

function words(m: Network, c: DebertaConfig, ids: Value): Value {
  const { g } = m;
  const width = embeddingSize(c);
  const places = c.position_biased_input
    ? m.embedding("position_embeddings", m.countedPositions(ids), c.max_position_embeddings, width)
    : undefined;
  const parts = [places, typeEmbedding(m, c.type_vocab_size, width)];
  const sum = parts.reduce<Value>(
    (all, part) => (part ? g.add(all, part) : all),
    m.embedding("word_embeddings", ids, c.vocab_size, width),
  );
  const wide = width === c.hidden_size ? sum : m.linear("embed_proj", sum, c.hidden_size, { bias: false });
  return m.layerNorm("LayerNorm", wide, c.layer_norm_eps);
}

/**
 * A convolution over neighbouring tokens, as one product: their number is open, and a Conv needs sizes to go back.
 * x: [batch, tokens, width] -> the same.
 */
function neighbours(m: Network, c: DebertaConfig, x: Value): Value {
  const { g } = m;
  const width = c.hidden_size;
  const taps = c.conv_kernel_size;
  const side = (taps - 1) / 2;
  const padded = g.pad(x, [0, side, 0, 0, side, 0]);
  const shifted = range(taps).map((tap) =>
    g.slice(padded, [1], [tap], [tap === taps - 1 ? toTheEnd : tap - taps + 1]),
  );
  for (const part of shifted) part.shape = x.shape;
  const weight = g.transpose(m.weight("weight", [width, width, taps], "matrix"), [0, 2, 1]);
  const bias = m.weight("bias", [width], "zeros");
  return m.affine(g.concat(shifted, 2), g.reshape(weight, [width, taps * width]), bias);
}

/** An end that no axis reaches. */
const toTheEnd = 2 ** 31 - 1;

/** What distances mean, in two orders. Row i of each is of the distance at which `skewed` reads column i. */
interface DistanceRows {
  /** [2 · tokens, width], by how far the key comes before the query … */
  readonly forKeys: Value;
  /** … and by how far it comes after. */
  readonly forQueries: Value;
}

function distanceRows(m: Network, c: DebertaConfig, ids: Value): DistanceRows {
  const { g } = m;
  const farthest = c.max_relative_positions < 1 ? c.max_position_embeddings : c.max_relative_positions;
  const span = c.position_buckets > 0 ? c.position_buckets : farthest;
  const table = m.weight("rel_embeddings.weight", [2 * span, c.hidden_size], "matrix");
  const rows =
    c.norm_rel_ebd === "layer_norm"
      ? g.op(
          "LayerNormalization",
          [
            table,
            m.weight("LayerNorm.weight", [c.hidden_size], "ones"),
            m.weight("LayerNorm.bias", [c.hidden_size], "zeros"),
          ],
          { axis: -1, epsilon: c.layer_norm_eps },
        )
      : table;
  const bucketOf = (distance: number) => {
    const bucket = c.position_buckets > 0 ? logBucket(distance, span, farthest) : distance;
    return Math.min(2 * span - 1, Math.max(0, bucket + span));
  };
  // beyond what the config says is far, buckets are those of the farthest, except where it is nearer than half of them
  const limit = 2 * Math.max(span, farthest, c.max_position_embeddings);
  const at = (offsets: Value) =>
    g.op("Gather", [rows, bucketed(m, offsets, { limit, bucketOf })], { axis: 0 });
  const offsets = everyOffset(m, ids);
  return { forKeys: at(g.neg(offsets)), forQueries: at(offsets) };
}

/**
 * A distance up to half of the buckets is its own bucket, then they grow by a factor. Rounded as float32 does it.
 * Source: He et al. 2021, appendix A.5, as in transformers.
 */
function logBucket(distance: number, buckets: number, farthest: number): number {
  const middle = Math.floor(buckets / 2);
  const size = Math.abs(distance);
  if (size <= middle) return distance;
  const log = (x: number) => Math.fround(Math.log(Math.fround(x)));
  const share = Math.fround(log(size / middle) / log((farthest - 1) / middle));
  return Math.sign(distance) * (Math.ceil(Math.fround(share * (middle - 1))) + middle);
}

interface Disentangled {
  readonly distances: DistanceRows;
  /** Where query and key are both text: [batch, 1, tokens, tokens] */
  readonly isPair: Value;
  readonly ids: Value;
}

/** Attention whose score is content on content, content on distance and distance on content, as the config has it. */
function disentangled(
  m: Network,
  c: DebertaConfig,
  { q, k, v }: Projected,
  { distances, isPair, ids }: Disentangled,
): Value {
  const { g } = m;
  const heads = c.num_attention_heads;
  const size = headSize(c.hidden_size, heads);
  const split = (x: Value) => intoHeads(g, x, heads, size);
  const [queries, keys] = [split(q), split(k)];
  const alpha = 1 / Math.sqrt(size * (1 + c.pos_att_type.length));
  const score = (a: Value, b: Value) => g.product(a, b, { transB: true, alpha });
  const rows = (x: Value, shared: string, own: string) =>
    split(g.unsqueeze(m.linear(c.share_att_key ? shared : own, x, c.hidden_size), [0]));
  let scores = score(queries, keys);
  if (c.pos_att_type.includes("c2p"))
    scores = g.add(
      scores,
      skewed(m, score(queries, rows(distances.forKeys, "key_proj", "pos_key_proj")), ids),
    );
  if (c.pos_att_type.includes("p2c")) {
    const byKey = skewed(m, score(keys, rows(distances.forQueries, "query_proj", "pos_query_proj")), ids);
    scores = g.add(scores, g.swap(byKey));
  }
  const weights = g.op("Softmax", [g.where(isPair, scores, -10_000)], { axis: 3 });
  return fromHeads(g, g.matmul(weights, split(v)), heads, size);
}

export const debertaArchitecture = architecture(deberta);
