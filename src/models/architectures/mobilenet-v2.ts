import { z } from "zod";
import { range } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import { type Architecture, architecture } from "../architecture.ts";
import { type ActivationName, activationName } from "../network/activations.ts";
import { count, factor } from "../network/config-fields.ts";
import { anyPixelInput, type ImageFeatures, imageHeads, sides } from "../network/image-encoder.ts";
import { type Network, numberAt } from "../network/network.ts";

const mobilenetConfig = z.object({
  num_channels: count.default(3),
  image_size: sides.default([224, 224]),
  depth_multiplier: factor.default(1),
  depth_divisible_by: count.default(8),
  min_depth: count.default(8),
  expand_ratio: factor.default(6),
  output_stride: count.default(32),
  first_layer_is_expansion: z.boolean().default(true),
  finegrained_output: z.boolean().default(true),
  hidden_act: activationName.default("relu6"),
  tf_padding: z.boolean().default(true),
  layer_norm_eps: z.number().positive().default(1e-3),
});
type MobilenetConfig = z.output<typeof mobilenetConfig>;

/** Channels after the stem and after each layer, before the multiplier; strides of the layers. */
const widths = [16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320];
const strides = [2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1];
const stemWidth = 32;
const lastWidth = 1280;

/** Network of inverted residuals, for small devices. Source: Sandler et al. 2018. */
const mobilenet: Architecture<MobilenetConfig> = {
  modelTypes: ["mobilenet_v2"],
  config: mobilenetConfig,
  prefix: "mobilenet_v2",
  blocks: () => ["conv_stem", ...strides.map((_, i) => `layer.${i}`), "conv_1x1"],
  heads: imageHeads<MobilenetConfig>({
    classStem: "MobileNetV2",
    prefix: "mobilenet_v2",
    features: encoded,
    classified: (_, { pooled }) => pooled!,
  }),
};

function encoded(m: Network, c: MobilenetConfig): ImageFeatures {
  const { g } = m;
  const width = (channels: number) => divisible(c, roundedToEven(channels * c.depth_multiplier));
  let x = stem(m.at("conv_stem"), c, anyPixelInput(m, c), width(stemWidth), width(widths[0]!));
  for (const [i, { stride, dilation }] of stepsOf(c).entries())
    x = inverted(m.at(`layer.${i}`), c, x, { out: width(widths[i + 1]!), stride, dilation });
  const isFine = c.finegrained_output && c.depth_multiplier < 1;
  const last = isFine ? lastWidth : width(lastWidth);
  const hidden = convLayer(m.at("conv_1x1"), c, x, { out: last, kernel: 1 });
  return { hidden, pooled: g.mean(hidden, [2, 3]) };
}

/** The nearest multiple of the divisor, not more than a tenth below the value. */
function divisible({ depth_divisible_by: divisor, min_depth: least }: MobilenetConfig, value: number) {
  const near = Math.max(least, Math.floor(Math.trunc(value + divisor / 2) / divisor) * divisor);
  return near < 0.9 * value ? near + divisor : near;
}

/** As Python rounds: halves to the even neighbour. */
function roundedToEven(value: number): number {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/** Strides become dilations where the image is as small as the config lets it get. */
function stepsOf({ output_stride: most }: MobilenetConfig) {
  let reached = 2;
  let dilation = 1;
  return strides.map((stride) => {
    if (reached === most) {
      const step = { stride: 1, dilation };
      dilation *= stride;
      return step;
    }
    reached *= stride;
    return { stride, dilation: 1 };
  });
}

function stem(m: Network, c: MobilenetConfig, x: Value, inner: number, out: number): Value {
  let y = convLayer(m.at("first_conv"), c, x, { out: inner, kernel: 3, stride: 2 });
  if (!c.first_layer_is_expansion) y = convLayer(m.at("expand_1x1"), c, y, { out: inner, kernel: 1 });
  y = convLayer(m.at("conv_3x3"), c, y, { out: inner, kernel: 3, groups: inner });
  return convLayer(m.at("reduce_1x1"), c, y, { out, kernel: 1, activation: "linear" });
}

function inverted(
  m: Network,
  c: MobilenetConfig,
  x: Value,
  { out, stride, dilation }: { readonly out: number; readonly stride: number; readonly dilation: number },
): Value {
  const channels = numberAt(x, 1);
  const inner = divisible(c, roundedToEven(channels * c.expand_ratio));
  let y = convLayer(m.at("expand_1x1"), c, x, { out: inner, kernel: 1 });
  y = convLayer(m.at("conv_3x3"), c, y, { out: inner, kernel: 3, stride, groups: inner, dilation });
  y = convLayer(m.at("reduce_1x1"), c, y, { out, kernel: 1, activation: "linear" });
  return stride === 1 && channels === out ? m.g.add(x, y) : y;
}

interface ConvLayer {
  readonly out: number;
  readonly kernel: number;
  readonly stride?: number;
  readonly groups?: number;
  readonly dilation?: number;
  readonly activation?: ActivationName;
}

function convLayer(m: Network, c: MobilenetConfig, x: Value, layer: ConvLayer): Value {
  const { out, kernel, stride = 1, groups = 1, dilation = 1, activation = c.hidden_act } = layer;
  const padding = c.tf_padding
    ? samePadding(x, { kernel, stride, dilation })
    : Math.trunc((kernel - 1) / 2) * dilation;
  const convolved = m.conv("convolution", x, out, { kernel, stride, groups, dilation, padding, bias: false });
  return m.activation(activation, m.batchNorm("normalization", convolved, c.layer_norm_eps));
}

/** TensorFlow's "SAME": what the stride needs, the odd pixel at the bottom and right. [top, left, bottom, right] */
function samePadding(
  x: Value,
  {
    kernel,
    stride,
    dilation,
  }: { readonly kernel: number; readonly stride: number; readonly dilation: number },
): readonly [number, number, number, number] {
  const [top, left, bottom, right] = range(4).map((side) => {
    const rest = numberAt(x, 2 + (side % 2)) % stride;
    const all = Math.max(kernel - (rest === 0 ? stride : rest), 0);
    return (side < 2 ? Math.floor(all / 2) : Math.ceil(all / 2)) * dilation;
  });
  return [top!, left!, bottom!, right!];
}

export const mobilenetV2Architecture = architecture(mobilenet);
