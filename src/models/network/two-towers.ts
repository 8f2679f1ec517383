import { z } from "zod";
import type { Value } from "../../graph/ir.ts";
import type { Architecture, Head, HeadKind } from "../architecture.ts";
import type { ActivationName } from "./activations.ts";
import { count, layerCount } from "./config-fields.ts";
import {
  type ImageFeatures,
  meanOfTokens,
  outputFeatures,
  type PreNormNames,
  preNormLayer,
  sides,
} from "./image-encoder.ts";
import type { Network } from "./network.ts";
import { layerPaths } from "./text-encoder.ts";

/** Fields of a tower's config but for its activation, which each family names by default as it does. */
const towerFields = {
  num_hidden_layers: layerCount.default(12),
  layer_norm_eps: z.number().positive().default(1e-5),
};

/** Fields of the tower for images. */
export const visionFields = {
  ...towerFields,
  hidden_size: count.default(768),
  intermediate_size: count.default(3072),
  num_attention_heads: count.default(12),
  image_size: sides.default([224, 224]),
  num_channels: count.default(3),
};

/** Fields of the tower for texts. */
export const textFields = { ...towerFields, num_attention_heads: count.default(12) };

/** Sizes of a tower's layers. */
export interface TowerSizes {
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly intermediate_size: number;
  readonly hidden_act: ActivationName;
  readonly layer_norm_eps: number;
}

const names: PreNormNames = {
  norm1: "layer_norm1",
  query: "self_attn.q_proj",
  key: "self_attn.k_proj",
  value: "self_attn.v_proj",
  attended: "self_attn.out_proj",
  norm2: "layer_norm2",
  inner: "mlp.fc1",
  outer: "mlp.fc2",
};

/** Paths of a tower's layers, below the tower's. */
export const towerLayers = ({ num_hidden_layers }: Pick<TowerSizes, "num_hidden_layers">): string[] =>
  layerPaths("encoder.layers", num_hidden_layers);

/** x: [batch, tokens, width]. */
export function towerEncoded(m: Network, sizes: TowerSizes, x: Value, bias?: Value): Value {
  const layer = {
    heads: sizes.num_attention_heads,
    inner: sizes.intermediate_size,
    activation: sizes.hidden_act,
    epsilon: sizes.layer_norm_eps,
  };
  return towerLayers(sizes).reduce(
    (value, path) => preNormLayer(m.at(path), names, layer, value, { biases: [bias] }),
    x,
  );
}

/** Words at their places, counted from 0: [texts, tokens, width]. */
export function textEmbedded(
  m: Network,
  ids: Value,
  sizes: {
    readonly vocab_size: number;
    readonly hidden_size: number;
    readonly max_position_embeddings: number;
  },
): Value {
  const width = sizes.hidden_size;
  const words = m.embedding("token_embedding", ids, sizes.vocab_size, width);
  const places = m.countedPositions(ids);
  return m.g.add(words, m.embedding("position_embedding", places, sizes.max_position_embeddings, width));
}

/** Texts of a network of two towers: int64 [texts, tokens]. */
export const textsInput = (m: Network, name: string): Value => m.input(name, "int64", ["texts", "tokens"]);

/** x / ‖x‖ over the last axis. x: [rows, width]. */
export const normalised = ({ g }: Network, x: Value): Value =>
  g.div(x, g.sqrt(g.sum(g.square(x), [1], true)));

/**
 * Outputs of a network of two towers: `logits_per_image` [batch, texts], e^scale times the cosine plus the bias, and the
 * normalised `text_embeds` [texts, width] and `image_embeds` [batch, width].
 */
export function outputSimilarity(
  m: Network,
  { images, texts }: { readonly images: Value; readonly texts: Value },
  { scale, bias }: { readonly scale: Value; readonly bias?: Value },
): void {
  const { g } = m;
  const [image, text] = [normalised(m, images), normalised(m, texts)];
  const scaled = g.mul(g.product(image, text, { transB: true }), g.exp(scale));
  m.output("logits_per_image", bias ? g.add(scaled, bias) : scaled);
  m.output("text_embeds", text);
  m.output("image_embeds", image);
}

/** Blocks of both towers: the images', which is the body, then the texts'. */
export const towerBlocks = (
  vision: { readonly sizes: TowerSizes; readonly others: readonly string[] },
  text: TowerSizes,
): string[] => [
  ...visionBlocks(vision),
  ...["embeddings", ...towerLayers(text)].map((path) => `text_model.${path}`),
];

/** Blocks of the images' tower; `others`: what comes after its layers. */
export const visionBlocks = ({
  sizes,
  others,
}: {
  readonly sizes: TowerSizes;
  readonly others: readonly string[];
}): string[] => ["embeddings", ...towerLayers(sizes), ...others];

/** Where the weights of a classifier lie whose rows stand in the space where images and texts meet. */
export const zeroShotHead = "zero_shot_classifier";

/**
 * Logits [batch, classes] of images against a row for each class. The images are normalised; rows and offsets carry what
 * cosines are scaled by. images: [batch, width]. Source: Wortsman et al. 2022, §3, for the head that begins with texts.
 */
export function outputAgainstRows(m: Network, images: Value): void {
  m.output("logits", m.linear(zeroShotHead, normalised(m, images), m.options.classes));
}

/** The tower for images of a family, as a network of its own and under the heads that read images alone. */
export interface ImageTower<C, V extends TowerSizes> {
  /** How the names of transformers' classes begin. */
  readonly classStem: string;
  readonly vision: (c: C) => V;
  /** Hidden states [batch, tokens, width], built at the tower's path. */
  readonly encoded: (m: Network, v: V) => Value;
  readonly features: (m: Network, v: V) => ImageFeatures;
  /** Images where they meet texts, [batch, projection], built at the root. */
  readonly projected: (m: Network, c: C) => Value;
  /** Tokens before those of the patches, which a classifier leaves out. */
  readonly leading: number;
}

/** Heads that read images alone. */
export const imageTowerHeads = <C, V extends TowerSizes>(
  row: ImageTower<C, V>,
): { readonly [K in HeadKind]?: Head<C> } => ({
  "image-classification": {
    className: `${row.classStem}ForImageClassification`,
    lacksJsClass: true,
    build(m, c) {
      const hidden = row.encoded(m.at("vision_model"), row.vision(c));
      m.output("logits", m.linear("classifier", meanOfTokens(m, hidden, row.leading), m.options.classes));
    },
  },
  "zero-shot-classification": {
    className: `${row.classStem}ZeroShotClassifier`,
    lacksJsClass: true,
    build: (m, c) => outputAgainstRows(m, row.projected(m, c)),
  },
  features: {
    className: `${row.classStem}VisionModel`,
    build: (m, c) => outputFeatures(m, row.features(m, row.vision(c))),
  },
});

/** The tower for images as a network of its own; `others`: what comes after its layers. */
export const imageTower = <C, V extends TowerSizes>(
  row: ImageTower<C, V>,
  own: { readonly modelType: string; readonly config: z.ZodType<V>; readonly others: readonly string[] },
): Architecture<V> => ({
  modelTypes: [own.modelType],
  config: own.config,
  prefix: "vision_model",
  blocks: (v) => visionBlocks({ sizes: v, others: own.others }),
  heads: {
    features: {
      className: `${row.classStem}VisionModel`,
      build: (m, v) => outputFeatures(m, row.features(m, v)),
    },
  },
});
