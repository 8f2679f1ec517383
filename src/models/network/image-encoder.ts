import { z } from "zod";
import { range } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import type { Architecture } from "../architecture.ts";
import { type ActivationName, activationName } from "./activations.ts";
import { multiHeadAttention } from "./attention.ts";
import { count, imageSide, layerCount } from "./config-fields.ts";
import { type Network, numberAt } from "./network.ts";

/** Height and width of images or patches; a config may give one number for both. */
export const sides = z
  .union([imageSide, z.tuple([imageSide, imageSide])])
  .transform((value): readonly [number, number] => (typeof value === "number" ? [value, value] : value));

/** The side of a square, which a config may give as two equal numbers. */
export const squareSide = sides
  .refine(([height, width]) => height === width, "expected equal sides")
  .transform(([height]) => height);

/** Images as numbers: [batch, channels, height, width]. */
export const pixelInput = (
  m: Network,
  channels: number,
  [height, width]: readonly [number | string, number | string],
): Value => m.input("pixel_values", "float32", ["batch", channels, height, width]);

/**
 * Images of a network that takes them in any size: that of the network's options, else the config's, else open.
 * [batch, channels, height, width]
 */
export function anyPixelInput(
  m: Network,
  { num_channels, image_size }: { num_channels: number; image_size?: readonly [number, number] | undefined },
): Value {
  return pixelInput(m, num_channels, m.options.imageSize ?? image_size ?? ["height", "width"]);
}

/** [batch, channels, height, width] as [batch, height · width, channels]. Sizes but the batch are numbers. */
export function asTokens({ g }: Network, x: Value): Value {
  const [channels, height, width] = [1, 2, 3].map((axis) => numberAt(x, axis));
  return g.transpose(g.op("Reshape", [x, g.ints([0, channels!, height! * width!])]), [0, 2, 1]);
}

/** Square patches, each projected: [batch, patches, width]. Weights of a convolution at `name`. */
export function patches(
  m: Network,
  name: string,
  pixels: Value,
  { width, side, bias = true }: { readonly width: number; readonly side: number; readonly bias?: boolean },
): Value {
  return asTokens(m, m.conv(name, pixels, width, { kernel: side, stride: side, bias }));
}

/** Rows and columns of the patches of an image of this size that are whole. */
export const patchGrid = (
  [height, width]: readonly [number, number],
  side: number,
): readonly [rows: number, columns: number] => [Math.floor(height / side), Math.floor(width / side)];

/** Patches of an image of this size that are whole. */
export function patchCount(size: readonly [number, number], side: number): number {
  const [rows, columns] = patchGrid(size, side);
  return rows * columns;
}

/** Learnt tokens [.., width] before those of each example. x: [batch, tokens, width]. */
export function withTokens({ g }: Network, tokens: readonly Value[], x: Value): Value {
  const one = g.concat([g.sizeOf(x, 0), g.ints([1, numberAt(x, -1)])], 0);
  return g.concat([...tokens.map((token) => g.op("Expand", [token, one])), x], 1);
}

/** Where the weights of attention and of the feed-forward part lie, below the path of a layer. */
export interface PreNormNames {
  readonly norm1: string;
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly attended: string;
  readonly norm2: string;
  readonly inner: string;
  readonly outer: string;
}

export interface PreNormSizes {
  readonly heads: number;
  /** Width between the two matrices of the feed-forward part. */
  readonly inner: number;
  readonly activation: ActivationName;
  readonly epsilon: number;
  /** Whether queries, keys and values have a bias. Default true. */
  readonly hasQkvBias?: boolean;
}

/** What a layer does otherwise than most. */
export interface PreNormParts {
  /** What is added to the scores, each broadcast to [batch, heads, queries, keys]. */
  readonly biases?: readonly (Value | undefined)[];
  /** Runs attention on something else than the tokens as they are, and puts its result back in their places. */
  readonly within?: (normed: Value, attend: (tokens: Value) => Value) => Value;
  /** In place of W₂·act(W₁·x). */
  readonly feedForward?: (normed: Value) => Value;
  /** What multiplies the result of each part before its sum: weights [width] at these names. */
  readonly scales?: readonly [string, string];
}

/**
 * A layer that is normalised before each part: y = h + W₂·act(W₁·N(h)) with h = x + Wₒ·attention(N(x)).
 * x: [batch, tokens, width]. Source: Dosovitskiy et al. 2021, eq. 2 and 3.
 */
export function preNormLayer(
  m: Network,
  names: PreNormNames,
  sizes: PreNormSizes,
  x: Value,
  { biases = [], within, feedForward, scales }: PreNormParts = {},
): Value {
  const { g } = m;
  const width = numberAt(x, -1);
  const attend = (tokens: Value) => {
    const projected = (name: string) => m.linear(name, tokens, width, { bias: sizes.hasQkvBias ?? true });
    const heads = { q: projected(names.query), k: projected(names.key), v: projected(names.value) };
    return m.linear(names.attended, multiHeadAttention(m, heads, { heads: sizes.heads, biases }), width);
  };
  const scaled = (value: Value, name: string | undefined) =>
    name ? g.mul(value, m.weight(name, [width], "ones")) : value;
  const normed = m.layerNorm(names.norm1, x, sizes.epsilon);
  const h = g.add(x, scaled(within ? within(normed, attend) : attend(normed), scales?.[0]));
  const again = m.layerNorm(names.norm2, h, sizes.epsilon);
  return g.add(h, scaled(feedForward?.(again) ?? perceptron(m, names, sizes, again), scales?.[1]));
}

/** W₂·act(W₁·x) */
export function perceptron(
  m: Network,
  names: Pick<PreNormNames, "inner" | "outer">,
  { inner, activation }: Pick<PreNormSizes, "inner" | "activation">,
  x: Value,
): Value {
  return m.linear(names.outer, m.activation(activation, m.linear(names.inner, x, inner)), numberAt(x, -1));
}

/** Fields that the configs of vision transformers share. */
export const vitFields = {
  hidden_size: count.default(768),
  num_hidden_layers: layerCount.default(12),
  num_attention_heads: count.default(12),
  hidden_act: activationName.default("gelu"),
  image_size: sides.default([224, 224]),
  num_channels: count.default(3),
  qkv_bias: z.boolean().default(true),
};

/** Names of a layer of ViT and its kin, as checkpoints have them. */
export const vitLayer: PreNormNames = {
  norm1: "layernorm_before",
  query: "attention.attention.query",
  key: "attention.attention.key",
  value: "attention.attention.value",
  attended: "attention.output.dense",
  norm2: "layernorm_after",
  inner: "intermediate.dense",
  outer: "output.dense",
};

/** What today's transformers calls the modules of such layers: those of attention, and of the feed-forward part. */
export const vitAttentionModules = [
  [/\.attention\.(?:attention|self)\.query(?=\.|$)/, ".attention.q_proj"],
  [/\.attention\.(?:attention|self)\.key(?=\.|$)/, ".attention.k_proj"],
  [/\.attention\.(?:attention|self)\.value(?=\.|$)/, ".attention.v_proj"],
  [/\.attention\.output\.dense(?=\.|$)/, ".attention.o_proj"],
] as const;
export const vitFeedforwardModules = [
  [/\.intermediate\.dense(?=\.|$)/, ".mlp.fc1"],
  [/\.output\.dense(?=\.|$)/, ".mlp.fc2"],
] as const;

/** Tokens but the first `skip`, averaged: [batch, width]. x: [batch, tokens, width]. */
export const meanOfTokens = ({ g }: Network, x: Value, skip = 0): Value =>
  g.mean(g.slice(x, [1], [skip], [numberAt(x, 1)]), [1]);

/** Token number `place` of each example: [batch, width]. */
export const tokenAt = ({ g }: Network, x: Value, place: number): Value =>
  g.op("Gather", [x, g.constant([place], "int64", [])], { axis: 1 });

/** What an image network's body gives. */
export interface ImageFeatures {
  /** `last_hidden_state`: [batch, tokens, width] or [batch, channels, height, width]. */
  readonly hidden: Value;
  /** `pooler_output`; undefined where the network, or its checkpoint, has none. */
  readonly pooled?: Value | undefined;
}

/** What stands on the body of an image network. */
export interface ImageHeads<C> {
  /** How the names of transformers' classes begin. */
  readonly classStem: string;
  readonly prefix: string;
  /** Built at the body's path. `isBare`: whether nothing stands on the body. */
  features(m: Network, config: C, isBare: boolean): ImageFeatures;
  /** What the classifier reads, [batch, width]; built at the root. */
  classified(m: Network, features: ImageFeatures): Value;
  /** Where the classifier's weights lie. Default "classifier". */
  readonly classifier?: string;
}

/** The heads that every image network has, by what its family puts on its body. */
export function imageHeads<C extends object>(row: ImageHeads<C>): Architecture<C>["heads"] {
  return {
    features: {
      className: `${row.classStem}Model`,
      build: (m, c) => outputFeatures(m, row.features(m, c, true)),
    },
    "image-classification": {
      className: `${row.classStem}ForImageClassification`,
      build(m, c) {
        const x = row.classified(m, row.features(m.at(row.prefix), c, false));
        m.output("logits", m.linear(row.classifier ?? "classifier", x, m.options.classes));
      },
    },
  };
}

export function outputFeatures(m: Network, { hidden, pooled }: ImageFeatures): void {
  m.output("last_hidden_state", hidden);
  if (pooled) m.output("pooler_output", pooled);
}

/** `path.0`, `path.1`, … for each of several stages of so many parts: paths of all of them. */
export const stagePaths = (depths: readonly number[], path: (stage: number, part: number) => string) =>
  depths.flatMap((depth, stage) => range(depth).map((part) => path(stage, part)));
