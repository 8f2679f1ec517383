import { z } from "zod";
import { range } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import { type Architecture, architecture } from "../architecture.ts";
import { type ActivationName, activationName } from "../network/activations.ts";
import { count, layerCount } from "../network/config-fields.ts";
import { anyPixelInput, type ImageFeatures, imageHeads, stagePaths } from "../network/image-encoder.ts";
import { type Network, numberAt } from "../network/network.ts";

const resnetConfig = z
  .object({
    num_channels: count.default(3),
    embedding_size: count.default(64),
    hidden_sizes: z.array(count).default([256, 512, 1024, 2048]),
    depths: z.array(layerCount).default([3, 4, 6, 3]),
    layer_type: z.enum(["basic", "bottleneck"]).default("bottleneck"),
    hidden_act: activationName.default("relu"),
    downsample_in_first_stage: z.boolean().default(false),
    downsample_in_bottleneck: z.boolean().default(false),
  })
  .refine((c) => c.hidden_sizes.length === c.depths.length, {
    path: ["hidden_sizes"],
    error: "expected one for each of depths",
  });
type ResnetConfig = z.output<typeof resnetConfig>;

const layerPath = (stage: number, i: number) => `encoder.stages.${stage}.layers.${i}`;

/** Residual network; its config says no image size, so it takes any. Source: He et al. 2016. */
const resnet: Architecture<ResnetConfig> = {
  modelTypes: ["resnet"],
  config: resnetConfig,
  prefix: "resnet",
  blocks: (c) => ["embedder", ...stagePaths(c.depths, layerPath)],
  heads: imageHeads<ResnetConfig>({
    classStem: "ResNet",
    prefix: "resnet",
    features: encoded,
    classified: ({ g }, { pooled }) => g.op("Flatten", [pooled!], { axis: 1 }),
    classifier: "classifier.1",
  }),
};

function encoded(m: Network, c: ResnetConfig): ImageFeatures {
  const { g } = m;
  const stem = { kernel: 7, stride: 2, activation: c.hidden_act };
  let x = convLayer(m.at("embedder.embedder"), anyPixelInput(m, c), c.embedding_size, stem);
  x = g.op("MaxPool", [x], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
  for (const [stage, depth] of c.depths.entries())
    for (const i of range(depth)) {
      const halves = i === 0 && (stage > 0 || c.downsample_in_first_stage);
      x = residual(m.at(layerPath(stage, i)), c, x, { out: c.hidden_sizes[stage]!, stride: halves ? 2 : 1 });
    }
  return { hidden: x, pooled: g.op("GlobalAveragePool", [x]) };
}

/** Convolutions of a layer, by the config's `layer_type`: kernel, share of the channels and stride of each. */
const convolutions = {
  basic: (_: ResnetConfig, stride: number) => [
    { kernel: 3, share: 1, stride },
    { kernel: 3, share: 1, stride: 1 },
  ],
  bottleneck: ({ downsample_in_bottleneck: isFirst }: ResnetConfig, stride: number) => [
    { kernel: 1, share: 4, stride: isFirst ? stride : 1 },
    { kernel: 3, share: 4, stride: isFirst ? 1 : stride },
    { kernel: 1, share: 1, stride: 1 },
  ],
};

function residual(
  m: Network,
  c: ResnetConfig,
  x: Value,
  { out, stride }: { readonly out: number; readonly stride: number },
): Value {
  const rows = convolutions[c.layer_type](c, stride);
  const y = rows.reduce(
    (value, { kernel, share, stride: step }, i) =>
      convLayer(m.at(`layer.${i}`), value, Math.floor(out / share), {
        kernel,
        stride: step,
        activation: i < rows.length - 1 ? "relu" : "linear",
      }),
    x,
  );
  const isSame = numberAt(x, 1) === out && stride === 1;
  const shortcut = isSame
    ? x
    : convLayer(m.at("shortcut"), x, out, { kernel: 1, stride, activation: "linear" });
  return m.activation(c.hidden_act, m.g.add(y, shortcut));
}

interface ConvLayer {
  readonly kernel: number;
  readonly stride: number;
  readonly activation: ActivationName;
}

function convLayer(m: Network, x: Value, out: number, { kernel, stride, activation }: ConvLayer): Value {
  const padding = Math.floor(kernel / 2);
  const convolved = m.conv("convolution", x, out, { kernel, stride, padding, bias: false });
  return m.activation(activation, m.batchNorm("normalization", convolved));
}

export const resnetArchitecture = architecture(resnet);
