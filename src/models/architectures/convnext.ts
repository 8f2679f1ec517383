import { z } from "zod";
import { range } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import { type Architecture, architecture } from "../architecture.ts";
import { activationName } from "../network/activations.ts";
import { count, layerCount } from "../network/config-fields.ts";
import {
  anyPixelInput,
  type ImageFeatures,
  imageHeads,
  perceptron,
  sides,
  squareSide,
  stagePaths,
} from "../network/image-encoder.ts";
import { type Network, numberAt } from "../network/network.ts";

const convnextConfig = z
  .object({
    num_channels: count.default(3),
    patch_size: squareSide.default(4),
    hidden_sizes: z.array(count).default([96, 192, 384, 768]),
    depths: z.array(layerCount).default([3, 3, 9, 3]),
    hidden_act: activationName.default("gelu"),
    layer_norm_eps: z.number().positive().default(1e-12),
    layer_scale_init_value: z.number().default(1e-6),
    image_size: sides.default([224, 224]),
  })
  .refine((c) => c.hidden_sizes.length === c.depths.length, {
    path: ["hidden_sizes"],
    error: "expected one for each of depths",
  });
type ConvnextConfig = z.output<typeof convnextConfig>;

const stagePath = (stage: number) => `encoder.stages.${stage}`;
const epsilon = 1e-6;

/** Convolutional network built like a transformer; it takes images of any size. Source: Liu et al. 2022. */
const convnext: Architecture<ConvnextConfig> = {
  modelTypes: ["convnext"],
  config: convnextConfig,
  prefix: "convnext",
  blocks: (c) => [
    "embeddings",
    ...c.depths.flatMap((depth, stage) => [
      `${stagePath(stage)}.downsampling_layer`,
      ...stagePaths([depth], (_, i) => `${stagePath(stage)}.layers.${i}`),
    ]),
    "layernorm",
  ],
  heads: imageHeads<ConvnextConfig>({
    classStem: "ConvNext",
    prefix: "convnext",
    features: encoded,
    classified: (_, { pooled }) => pooled!,
  }),
};

function encoded(m: Network, c: ConvnextConfig): ImageFeatures {
  const { g } = m;
  const [first] = c.hidden_sizes;
  const side = c.patch_size;
  const stem = m.at("embeddings");
  let x = stem.conv("patch_embeddings", anyPixelInput(m, c), first!, { kernel: side, stride: side });
  x = channelNorm(stem, "layernorm", x);
  for (const [stage, depth] of c.depths.entries()) {
    const at = m.at(stagePath(stage));
    if (stage > 0) {
      const normed = channelNorm(at, "downsampling_layer.0", x);
      x = at.conv("downsampling_layer.1", normed, c.hidden_sizes[stage]!, { kernel: 2, stride: 2 });
    }
    for (const i of range(depth)) x = layer(at.at(`layers.${i}`), c, x);
  }
  return { hidden: x, pooled: m.layerNorm("layernorm", g.mean(x, [2, 3]), c.layer_norm_eps) };
}

const channelsLast = [0, 2, 3, 1];
const channelsFirst = [0, 3, 1, 2];

/** Layer normalisation over the channels of each pixel. x: [batch, channels, height, width]. */
const channelNorm = (m: Network, name: string, x: Value): Value =>
  m.g.transpose(m.layerNorm(name, m.g.transpose(x, channelsLast), epsilon), channelsFirst);

/** x + s ⊙ W₂·act(W₁·N(depthwise(x))), pixel by pixel. */
function layer(m: Network, c: ConvnextConfig, x: Value): Value {
  const { g } = m;
  const width = numberAt(x, 1);
  const depthwise = m.conv("dwconv", x, width, { kernel: 7, padding: 3, groups: width });
  const pixels = m.layerNorm("layernorm", g.transpose(depthwise, channelsLast), epsilon);
  const sizes = { inner: 4 * width, activation: c.hidden_act };
  const y = perceptron(m, { inner: "pwconv1", outer: "pwconv2" }, sizes, pixels);
  const scale = c.layer_scale_init_value > 0 ? m.weight("layer_scale_parameter", [width], "ones") : undefined;
  return g.add(x, g.transpose(scale ? g.mul(y, scale) : y, channelsFirst));
}

export const convnextArchitecture = architecture(convnext);
