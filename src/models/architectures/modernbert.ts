import { z } from "zod";
import { range } from "../../graph/builder.ts";
import { attend, fromHeads, intoHeads } from "../../graph/expansions/attention-core.ts";
import type { Value } from "../../graph/ir.ts";
import { type Architecture, architecture } from "../architecture.ts";
import { activationName } from "../network/activations.ts";
import { biasOf } from "../network/attention.ts";
import { count, layerCount } from "../network/config-fields.ts";
import { type RotaryTable, rotaryFrequencies, rotaryTable, rotated } from "../network/decoder.ts";
import { dropoutShare } from "../network/dropout-shares.ts";
import { type Network, numberAt } from "../network/network.ts";
import { keyOffsets } from "../network/relative-positions.ts";
import { encoderHeads, lastLayer, layerPaths, textInputs } from "../network/text-encoder.ts";

const layerKind = z.enum(["full_attention", "sliding_attention"]);
type LayerKind = z.output<typeof layerKind>;

const rotation = z
  .looseObject({
    rope_theta: z.number().positive().optional(),
    rope_type: z.literal("default").default("default"),
  })
  .nullish();

const modernbertConfig = z
  .object({
    vocab_size: count.default(50368),
    hidden_size: count.default(768),
    intermediate_size: count.default(1152),
    num_hidden_layers: layerCount.default(22),
    num_attention_heads: count.default(12),
    hidden_activation: activationName.default("gelu"),
    norm_eps: z.number().positive().default(1e-5),
    norm_bias: z.boolean().default(false),
    attention_bias: z.boolean().default(false),
    mlp_bias: z.boolean().default(false),
    decoder_bias: z.boolean().default(true),
    layer_types: z.array(layerKind).nullish(),
    global_attn_every_n_layers: count.default(3),
    local_attention: count.default(128),
    rope_parameters: z.object({ full_attention: rotation, sliding_attention: rotation }).partial().nullish(),
    rope_scaling: z.null("scaled rotary positions are not built").optional(),
    global_rope_theta: z.number().positive().default(160_000),
    local_rope_theta: z.number().positive().nullish(),
    classifier_pooling: z.enum(["cls", "mean"]).default("cls"),
    classifier_bias: z.boolean().default(false),
    classifier_activation: activationName.default("gelu"),
    tie_word_embeddings: z.boolean().default(true),
    embedding_dropout: dropoutShare.default(0),
    attention_dropout: dropoutShare.default(0),
    mlp_dropout: dropoutShare.default(0),
    classifier_dropout: dropoutShare.default(0),
  })
  .refine((c) => c.hidden_size % (2 * c.num_attention_heads) === 0, {
    path: ["num_attention_heads"],
    error: "expected to divide hidden_size into even parts",
  })
  .refine((c) => (c.layer_types?.length ?? c.num_hidden_layers) === c.num_hidden_layers, {
    path: ["layer_types"],
    error: "expected one for each layer",
  });
type ModernbertConfig = z.output<typeof modernbertConfig>;

/** Pre-norm encoder with rotary positions, gated units and layers that look at neighbours only. Source: Warner et al. 2024. */
const modernbert: Architecture<ModernbertConfig> = {
  modelTypes: ["modernbert"],
  config: modernbertConfig,
  prefix: "model",
  dropout: (c) => ({
    embeddings: c.embedding_dropout,
    attention: c.attention_dropout,
    feedforward: c.mlp_dropout,
    classifier: c.classifier_dropout,
  }),
  blocks: (c) => ["embeddings", ...layerPaths("layers", c.num_hidden_layers), "final_norm"],
  heads: encoderHeads<ModernbertConfig>({
    classStem: "ModernBert",
    prefix: "model",
    encoded,
    sequence(m, c, hidden) {
      const pooled = c.classifier_pooling === "cls" ? m.firstToken(hidden) : meanOfTokens(m, hidden);
      return lastLayer(m, predicted(m, c, pooled));
    },
    tokens: predicted,
    words(m, c, hidden) {
      const table = c.tie_word_embeddings ? "model.embeddings.tok_embeddings.weight" : "decoder.weight";
      const rows = m.weight(table, [c.vocab_size, c.hidden_size], "matrix");
      const bias = c.decoder_bias ? m.weight("decoder.bias", [c.vocab_size], "zeros") : undefined;
      return m.affine(predicted(m, c, hidden), rows, bias);
    },
  }),
};

/** The dense layer between body and classifier: norm(act(dense(x))). */
function predicted(m: Network, c: ModernbertConfig, x: Value): Value {
  const dense = m.linear("head.dense", x, c.hidden_size, { bias: c.classifier_bias });
  return normed(m, "head.norm", c, m.activation(c.classifier_activation, dense));
}

const normed = (m: Network, name: string, c: ModernbertConfig, x: Value): Value =>
  m.layerNorm(name, x, c.norm_eps, { bias: c.norm_bias });

/** The mean over tokens that are not padding. hidden: [batch, tokens, width] -> [batch, width]. */
function meanOfTokens(m: Network, hidden: Value): Value {
  const { g } = m;
  const isText = g.cast(textInputs(m).mask, "float32");
  return g.div(g.sum(g.mul(hidden, g.unsqueeze(isText, [2])), [1]), g.sum(isText, [1], true));
}

/** What layers of one kind share. */
interface Sight {
  readonly angles: RotaryTable;
  /** Of scores: no padding, and nobody too far away. */
  readonly bias: Value;
}

/** Hidden states after the last normalisation, [batch, tokens, width]. */
function encoded(m: Network, c: ModernbertConfig): Value {
  const { ids, mask } = textInputs(m);
  const embeddings = m.at("embeddings");
  const words = embeddings.embedding("tok_embeddings", ids, c.vocab_size, c.hidden_size);
  const kinds = kindsOf(c);
  const sights = new Map([...new Set(kinds)].map((kind) => [kind, sightOf(m, c, kind, { ids, mask })]));
  const x = kinds.reduce(
    (hidden, kind, i) =>
      layer(m.at(`layers.${i}`), c, hidden, { sight: sights.get(kind)!, isFirst: i === 0 }),
    embeddings.dropped("embeddings", "norm", normed(embeddings, "norm", c, words)),
  );
  return normed(m, "final_norm", c, x);
}

const kindsOf = (c: ModernbertConfig): readonly LayerKind[] =>
  c.layer_types ??
  range(c.num_hidden_layers).map((i) =>
    i % c.global_attn_every_n_layers === 0 ? "full_attention" : "sliding_attention",
  );

function sightOf(
  m: Network,
  c: ModernbertConfig,
  kind: LayerKind,
  { ids, mask }: { readonly ids: Value; readonly mask: Value },
): Sight {
  const { g } = m;
  const isText = g.cast(g.unsqueeze(mask, [1, 2]), "bool");
  const theta = c.rope_parameters?.[kind]?.rope_theta;
  const frequencies = (base: number) => rotaryFrequencies(c.hidden_size / c.num_attention_heads, base);
  const turned = (base: number) =>
    rotaryTable(m, { ids, positions: m.countedPositions(ids) }, { frequencies: frequencies(base), scale: 1 });
  if (kind === "full_attention")
    return { angles: turned(theta ?? c.global_rope_theta), bias: biasOf(m, isText) };
  const reach = g.constant([Math.floor(c.local_attention / 2)], "int64", []);
  const isNear = g.lessOrEqual(g.abs(keyOffsets(m, ids)), reach);
  return {
    angles: turned(theta ?? c.local_rope_theta ?? 10_000),
    bias: biasOf(m, g.op("And", [isText, g.unsqueeze(isNear, [0, 1])])),
  };
}

function layer(
  m: Network,
  c: ModernbertConfig,
  x: Value,
  { sight, isFirst }: { readonly sight: Sight; readonly isFirst: boolean },
): Value {
  const { g } = m;
  // the embeddings are normalised already
  const inner = isFirst ? x : normed(m, "attn_norm", c, x);
  const h = g.add(x, attention(m.at("attn"), c, inner, sight));
  const mlp = m.at("mlp");
  const wide = mlp.linear("Wi", normed(m, "mlp_norm", c, h), 2 * c.intermediate_size, { bias: c.mlp_bias });
  const [value, gate] = parts(m, wide, 2) as [Value, Value];
  const gated = g.mul(m.activation(c.hidden_activation, value), gate);
  const kept = mlp.dropped("feedforward", "Wo", gated);
  return g.add(h, mlp.linear("Wo", kept, c.hidden_size, { bias: c.mlp_bias }));
}

function attention(m: Network, c: ModernbertConfig, x: Value, { angles, bias }: Sight): Value {
  const { g } = m;
  const heads = c.num_attention_heads;
  const size = c.hidden_size / heads;
  const all = m.linear("Wqkv", x, 3 * c.hidden_size, { bias: c.attention_bias });
  const [q, k, v] = parts(m, all, 3).map((part) => intoHeads(g, part, heads, size)) as [Value, Value, Value];
  const turned = { q: rotated(m, q, angles), k: rotated(m, k, angles), v };
  const { y } = attend(g, turned, { scale: 1 / Math.sqrt(size), biases: [bias] });
  const given = m.linear("Wo", fromHeads(g, y, heads, size), c.hidden_size, { bias: c.attention_bias });
  return m.dropped("attention", "Wo", given);
}

/** Equal parts of the last axis. */
function parts({ g }: Network, x: Value, count: number): readonly Value[] {
  const names = range(count).map((i) => g.graph.freshName(`part_${i}`));
  const sizes = g.ints(range(count).map(() => numberAt(x, -1) / count));
  return g.node("Split", [x, sizes], { axis: -1 }, names).outputs as Value[];
}

export const modernbertArchitecture = architecture(modernbert);
