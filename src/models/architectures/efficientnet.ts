import { z } from "zod";
import { range } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import { type Architecture, architecture } from "../architecture.ts";
import { activationName } from "../network/activations.ts";
import { count, factor, layerCount } from "../network/config-fields.ts";
import { anyPixelInput, type ImageFeatures, imageHeads, sides } from "../network/image-encoder.ts";
import { type Network, numberAt } from "../network/network.ts";

const listed = (...values: readonly number[]) => z.array(count).default([...values]);

const efficientnetConfig = z.object({
  num_channels: count.default(3),
  image_size: sides.default([600, 600]),
  width_coefficient: factor.default(2),
  depth_coefficient: factor.default(3.1),
  depth_divisor: count.default(8),
  kernel_sizes: listed(3, 3, 5, 3, 5, 5, 3),
  in_channels: listed(32, 16, 24, 40, 80, 112, 192),
  out_channels: listed(16, 24, 40, 80, 112, 192, 320),
  depthwise_padding: z.array(z.int().min(0)).default([]),
  strides: listed(1, 2, 2, 2, 1, 2, 1),
  num_block_repeats: z.array(layerCount).default([1, 2, 2, 3, 3, 4, 1]),
  expand_ratios: listed(1, 6, 6, 6, 6, 6, 6),
  squeeze_expansion_ratio: factor.default(0.25),
  hidden_act: activationName.default("swish"),
  pooling_type: z.enum(["mean", "max"]).default("mean"),
  batch_norm_eps: z.number().positive().default(1e-3),
});
type EfficientnetConfig = z.output<typeof efficientnetConfig>;

/** Network of inverted residuals with squeeze and excitation, scaled in width, depth and image size. Source: Tan & Le 2019. */
const efficientnet: Architecture<EfficientnetConfig> = {
  modelTypes: ["efficientnet"],
  config: efficientnetConfig,
  prefix: "efficientnet",
  blocks: (c) => [
    "embeddings",
    ...blocksOf(c).map((_, i) => `encoder.blocks.${i}`),
    "encoder.top_conv",
    "encoder.top_bn",
  ],
  heads: imageHeads<EfficientnetConfig>({
    classStem: "EfficientNet",
    prefix: "efficientnet",
    features: encoded,
    classified: (_, { pooled }) => pooled!,
  }),
};

/** The nearest multiple of the divisor, not more than a tenth below the scaled value. */
function scaled({ width_coefficient, depth_divisor: divisor }: EfficientnetConfig, channels: number): number {
  const value = channels * width_coefficient;
  const near = Math.max(divisor, Math.floor(Math.trunc(value + divisor / 2) / divisor) * divisor);
  return near < 0.9 * value ? near + divisor : near;
}

interface BlockSizes {
  readonly channels: number;
  readonly out: number;
  readonly stride: number;
  readonly kernel: number;
  readonly ratio: number;
  readonly isFirst: boolean;
}

/** The blocks of all stages in order. */
const blocksOf = (c: EfficientnetConfig): BlockSizes[] =>
  c.in_channels.flatMap((channels, stage) => {
    const out = scaled(c, c.out_channels[stage]!);
    return range(Math.ceil(c.depth_coefficient * c.num_block_repeats[stage]!)).map((i) => ({
      channels: i === 0 ? scaled(c, channels) : out,
      out,
      stride: i === 0 ? c.strides[stage]! : 1,
      kernel: c.kernel_sizes[stage]!,
      ratio: c.expand_ratios[stage]!,
      isFirst: i === 0,
    }));
  });

const stemWidth = 32;
const lastWidth = 1280;

function encoded(m: Network, c: EfficientnetConfig): ImageFeatures {
  const { g } = m;
  const act = (x: Value) => m.activation(c.hidden_act, x);
  const norm = (at: Network, name: string, x: Value) => at.batchNorm(name, x, c.batch_norm_eps);
  const stem = m.at("embeddings");
  const padding = [0, 0, 1, 1] as const;
  const plain = { kernel: 3, stride: 2, padding, bias: false };
  let x = stem.conv("convolution", anyPixelInput(m, c), scaled(c, stemWidth), plain);
  x = act(norm(stem, "batchnorm", x));
  const at = m.at("encoder");
  for (const [i, sizes] of blocksOf(c).entries())
    x = block(at.at(`blocks.${i}`), c, x, sizes, c.depthwise_padding.includes(i));
  const hidden = act(
    norm(at, "top_bn", at.conv("top_conv", x, scaled(c, lastWidth), { kernel: 1, bias: false })),
  );
  const pool = { mean: "GlobalAveragePool", max: "GlobalMaxPool" } as const;
  return { hidden, pooled: g.op("Flatten", [g.op(pool[c.pooling_type], [hidden])], { axis: 1 }) };
}

function block(
  m: Network,
  c: EfficientnetConfig,
  x: Value,
  { channels, out, stride, kernel, ratio, isFirst }: BlockSizes,
  isSquare: boolean,
): Value {
  const act = (value: Value) => m.activation(c.hidden_act, value);
  const norm = (name: string, value: Value) => m.batchNorm(name, value, c.batch_norm_eps);
  const width = channels * ratio;
  const wide =
    ratio === 1 ? x : act(norm("expansion.expand_bn", pointwise(m, "expansion.expand_conv", x, width)));
  const half = Math.floor(kernel / 2);
  // With a stride the image's last row and column lie on the grid; `isSquare` is for odd sizes, where both ends do.
  const before = stride === 2 && !isSquare ? half - 1 : half;
  const depthwise = m.conv("depthwise_conv.depthwise_conv", wide, width, {
    kernel,
    stride,
    groups: width,
    padding: [before, before, half, half],
    bias: false,
  });
  const filtered = act(norm("depthwise_conv.depthwise_norm", depthwise));
  const narrow = Math.max(1, Math.trunc(channels * c.squeeze_expansion_ratio));
  const excited = squeezed(m.at("squeeze_excite"), c, filtered, narrow);
  const y = norm("projection.project_bn", pointwise(m, "projection.project_conv", excited, out));
  return stride === 1 && !isFirst ? m.g.add(y, x) : y;
}

const pointwise = (m: Network, name: string, x: Value, out: number): Value =>
  m.conv(name, x, out, { kernel: 1, bias: false });

/** x ⊙ σ(W₂·act(W₁·mean of the pixels)). Source: Hu et al. 2018. */
function squeezed(m: Network, c: EfficientnetConfig, x: Value, narrow: number): Value {
  const { g } = m;
  const mean = g.op("GlobalAveragePool", [x]);
  const reduced = m.activation(c.hidden_act, m.conv("reduce", mean, narrow, { kernel: 1 }));
  return g.mul(x, g.op("Sigmoid", [m.conv("expand", reduced, numberAt(x, 1), { kernel: 1 })]));
}

export const efficientnetArchitecture = architecture(efficientnet);
