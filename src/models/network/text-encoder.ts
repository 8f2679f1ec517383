import { z } from "zod";
import { range } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import type { Architecture } from "../architecture.ts";
import { type ActivationName, activationName } from "./activations.ts";
import { multiHeadAttention } from "./attention.ts";
import { count, layerCount } from "./config-fields.ts";
import { type DropoutShares, dropoutShare, hiddenShares } from "./dropout-shares.ts";
import { type Network, numberAt } from "./network.ts";

/** Fields that the configs of BERT and its kin share; sizes that a family has other defaults for are its own. */
export const bertFields = {
  hidden_size: count.default(768),
  num_hidden_layers: layerCount.default(12),
  num_attention_heads: count.default(12),
  intermediate_size: count.default(3072),
  hidden_act: activationName.default("gelu"),
  max_position_embeddings: count.default(512),
  layer_norm_eps: z.number().positive().default(1e-12),
  tie_word_embeddings: z.boolean().default(true),
  position_embedding_type: z.literal("absolute").default("absolute"),
  is_decoder: z.literal(false).default(false),
  hidden_dropout_prob: dropoutShare.default(0.1),
  classifier_dropout: dropoutShare.nullish(),
};

/** What training leaves out of BERT and its kin. */
export const bertDropout = (c: {
  readonly hidden_dropout_prob: number;
  readonly classifier_dropout?: number | null | undefined;
}): DropoutShares => hiddenShares(c.hidden_dropout_prob, c.classifier_dropout);

/** Sizes of a layer of BERT and its kin. */
export interface LayerSizes {
  readonly hidden_size: number;
  readonly num_attention_heads: number;
  readonly intermediate_size: number;
  readonly hidden_act: ActivationName;
  readonly layer_norm_eps: number;
}

/** Where the weights of a layer lie, below its path. */
export interface LayerNames {
  readonly query: string;
  readonly key: string;
  readonly value: string;
  /** What follows attention, and the normalisation after its sum. */
  readonly attended: string;
  readonly attendedNorm: string;
  /** The two matrices of the feed-forward part, and the normalisation after its sum. */
  readonly inner: string;
  readonly outer: string;
  readonly outerNorm: string;
}

export const bertLayer: LayerNames = {
  query: "attention.self.query",
  key: "attention.self.key",
  value: "attention.self.value",
  attended: "attention.output.dense",
  attendedNorm: "attention.output.LayerNorm",
  inner: "intermediate.dense",
  outer: "output.dense",
  outerNorm: "output.LayerNorm",
};

/** Queries, keys and values: [batch, tokens, width]. */
export interface Projected {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
}

/**
 * A layer that is normalised after each sum: N(h + W₂·act(W₁·h)) with h = N(x + Wₒ·attention(x)). x: [batch, tokens, width].
 *
 * `attention`: [batch, tokens, width] from queries, keys and values. Source: Vaswani et al. 2017, §3.1.
 */
export function postNormLayer(
  m: Network,
  sizes: LayerSizes,
  names: LayerNames,
  x: Value,
  attention: (projected: Projected) => Value,
): Value {
  const { g } = m;
  const width = sizes.hidden_size;
  const { layer_norm_eps: epsilon } = sizes;
  const projected = (name: string) => m.linear(name, x, width);
  const y = attention({ q: projected(names.query), k: projected(names.key), v: projected(names.value) });
  const h = m.layerNorm(
    names.attendedNorm,
    g.add(m.dropped("attention", names.attended, m.linear(names.attended, y, width)), x),
    epsilon,
  );
  const inner = m.activation(sizes.hidden_act, m.linear(names.inner, h, sizes.intermediate_size));
  return m.layerNorm(
    names.outerNorm,
    g.add(m.dropped("feedforward", names.outer, m.linear(names.outer, inner, width)), h),
    epsilon,
  );
}

/** Layers `path.0` … with one attention whose scores get the same biases in all of them. */
export function postNormLayers(
  m: Network,
  sizes: LayerSizes,
  x: Value,
  options: {
    readonly paths: readonly string[];
    readonly names: LayerNames;
    readonly biases: readonly Value[];
  },
): Value {
  const { paths, names, biases } = options;
  const heads = sizes.num_attention_heads;
  return paths.reduce(
    (hidden, path) =>
      postNormLayer(m.at(path), sizes, names, hidden, (projected) =>
        multiHeadAttention(m, projected, { heads, biases }),
      ),
    m.dropped("embeddings", "embeddings", x),
  );
}

/** `prefix.0`, `prefix.1`, … */
export const layerPaths = (prefix: string, layers: number): string[] =>
  range(layers).map((i) => `${prefix}.${i}`);

/** Token numbers and the mask of what is not padding: int64 [batch, tokens]. */
export const textInputs = (m: Network): { readonly ids: Value; readonly mask: Value } => ({
  ids: m.input("input_ids", "int64", ["batch", "tokens"]),
  mask: m.input("attention_mask", "int64", ["batch", "tokens"]),
});

/** Which of two texts a token is of: int64 [batch, tokens]. */
export const typeInput = (m: Network): Value => m.input("token_type_ids", "int64", ["batch", "tokens"]);

export interface EmbeddingSizes {
  readonly vocab_size: number;
  readonly max_position_embeddings: number;
  /** 0 for a network that has none. With 1 the only row is added to every token, and no input says so. */
  readonly type_vocab_size: number;
  readonly layer_norm_eps: number;
}

/** The normalised sum of what words, their places and their texts mean: [batch, tokens, width]. */
export function embedded(
  m: Network,
  sizes: EmbeddingSizes,
  { ids, positions, width }: { readonly ids: Value; readonly positions: Value; readonly width: number },
): Value {
  const { g } = m;
  const words = m.embedding("word_embeddings", ids, sizes.vocab_size, width);
  const places = m.embedding("position_embeddings", positions, sizes.max_position_embeddings, width);
  const kinds = typeEmbedding(m, sizes.type_vocab_size, width);
  const sum = kinds ? g.add(g.add(words, kinds), places) : g.add(words, places);
  return m.layerNorm("LayerNorm", sum, sizes.layer_norm_eps);
}

/** What the text of a token adds to it: [batch, tokens, width], or [1, width] where there is one kind of text. */
export function typeEmbedding(m: Network, types: number, width: number): Value | undefined {
  if (types === 0) return undefined;
  if (types === 1) return m.weight("token_type_embeddings.weight", [1, width], "matrix");
  return m.embedding("token_type_embeddings", typeInput(m), types, width);
}

/**
 * Places that count from padding + 1 over the tokens that are not padding, which stands at `padding` itself. int64
 * [batch, tokens].
 */
export function positionsBesidePadding({ g }: Network, ids: Value, padding: number): Value {
  const start = g.constant([padding], "int64", []);
  const isText = g.cast(g.op("Not", [g.equal(ids, start)]), "int64");
  const counted = g.op("CumSum", [isText, g.constant([1], "int64", [])]);
  return g.add(g.mul(counted, isText), start);
}

/** act(dense(first token)): [batch, out], by default as wide as the hidden states. */
export function firstTokenDense(
  m: Network,
  name: string,
  hidden: Value,
  activation: ActivationName,
  out = numberAt(hidden, -1),
): Value {
  return m.activation(activation, m.linear(name, m.firstToken(hidden), out));
}

/** A classifier of two layers over the first token, `path.dense` and `path.out_proj`: [batch, classes]. */
export function denseClassifier(m: Network, path: string, hidden: Value, activation: ActivationName): Value {
  const part = m.at(path);
  const first = part.dropped("classifier", "dense", part.firstToken(hidden));
  const inner = part.activation(activation, part.linear("dense", first, numberAt(hidden, -1)));
  return part.linear("out_proj", part.dropped("classifier", "out_proj", inner), m.options.classes);
}

/** The last layer over what a head has made of hidden states: [..., classes]. */
export const lastLayer = (m: Network, x: Value): Value =>
  m.linear("classifier", m.dropped("classifier", "classifier", x), m.options.classes);

/** Dense, activation and normalisation before words are predicted: names of its parts. */
export interface WordHead {
  readonly dense: string;
  readonly norm: string;
  /** The weight with a number a word that is added to the logits. */
  readonly bias: string;
  /** The table that stands in place of the body's where the two are not tied. */
  readonly decoder: string;
}

/** What the config of an encoder says of its words. */
export interface WordSizes {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly hidden_act: ActivationName;
  readonly layer_norm_eps: number;
  readonly tie_word_embeddings: boolean;
}

/** Logits of the words at every place, [batch, tokens, words]. */
export function wordLogits(
  m: Network,
  c: WordSizes,
  hidden: Value,
  options: {
    readonly names: WordHead;
    /** The body's table of words. */
    readonly table: string;
    /** Width of a row of the table. Default: that of the hidden states. */
    readonly width?: number;
    /** Default: that of the layers. */
    readonly activation?: ActivationName;
    /** Default: as the config says. */
    readonly isTied?: boolean;
  },
): Value {
  const { names, table, width = c.hidden_size, activation = c.hidden_act } = options;
  const { isTied = c.tie_word_embeddings } = options;
  const dense = m.activation(activation, m.linear(names.dense, hidden, width));
  const x = m.layerNorm(names.norm, dense, c.layer_norm_eps);
  const rows = m.weight(isTied ? table : names.decoder, [c.vocab_size, width], "matrix");
  // transformers 5 gives a table of its own a bias of its own as well; before, there was one.
  const own = names.decoder.replace(/weight$/, "bias");
  return m.affine(x, rows, m.weight(!isTied && m.has(own) ? own : names.bias, [c.vocab_size], "zeros"));
}

/** What stands on the hidden states [batch, tokens, width] of an encoder. */
export interface EncoderHeads<C> {
  /** How the names of transformers' classes begin. */
  readonly classStem: string;
  readonly prefix: string;
  /** The hidden states, built at the body's path. */
  encoded(m: Network, config: C): Value;
  /** Logits of an example, [batch, classes]; built at the root. */
  sequence(m: Network, config: C, hidden: Value): Value;
  /** Hidden states as the classifier of tokens takes them. Default: as they are. */
  tokens?(m: Network, config: C, hidden: Value): Value;
  /** Logits of words, [batch, tokens, words]. */
  words(m: Network, config: C, hidden: Value): Value;
}

/** The heads that every text encoder has, by what its family puts on its body. */
export function encoderHeads<C extends object>(row: EncoderHeads<C>): Architecture<C>["heads"] {
  const { classStem, prefix } = row;
  const body = (m: Network, c: C) => row.encoded(m.at(prefix), c);
  return {
    features: {
      className: `${classStem}Model`,
      build: (m, c) => m.output("last_hidden_state", row.encoded(m, c)),
    },
    "sequence-classification": {
      className: `${classStem}ForSequenceClassification`,
      build: (m, c) => m.output("logits", row.sequence(m, c, body(m, c))),
    },
    "token-classification": {
      className: `${classStem}ForTokenClassification`,
      build(m, c) {
        const hidden = body(m, c);
        m.output("logits", lastLayer(m, row.tokens?.(m, c, hidden) ?? hidden));
      },
    },
    "masked-lm": {
      className: `${classStem}ForMaskedLM`,
      build: (m, c) => m.output("logits", row.words(m, c, body(m, c))),
    },
  };
}

/** Spellings of normalisations in checkpoints that came from TensorFlow. */
export const oldNorms: Architecture["renames"] & object = [
  [/LayerNorm\.gamma$/, "LayerNorm.weight"],
  [/LayerNorm\.beta$/, "LayerNorm.bias"],
];
