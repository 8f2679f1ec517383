import { z } from "zod";
import type { Value } from "../../graph/ir.ts";
import { type Architecture, architecture } from "../architecture.ts";
import { activationName } from "../network/activations.ts";
import { multiHeadAttention } from "../network/attention.ts";
import { count } from "../network/config-fields.ts";
import {
  type ImageFeatures,
  patchCount,
  patches,
  perceptron,
  pixelInput,
  squareSide,
  tokenAt,
} from "../network/image-encoder.ts";
import { type Network, numberAt } from "../network/network.ts";

import {
  type ImageTower,
  imageTower,
  imageTowerHeads,
  outputSimilarity,
  textEmbedded,
  textFields,
  textsInput,
  towerBlocks,
  towerEncoded,
  visionFields,
} from "../network/two-towers.ts";

const epsilon = z.number().positive().default(1e-6);

const visionConfig = z.object({
  ...visionFields,
  patch_size: squareSide.default(16),
  hidden_act: activationName.default("gelu_pytorch_tanh"),
  layer_norm_eps: epsilon,
  vision_use_head: z.boolean().default(true),
});
type VisionConfig = z.output<typeof visionConfig>;

const textConfig = z.object({
  ...textFields,
  vocab_size: count.default(32000),
  hidden_size: count.default(768),
  intermediate_size: count.default(3072),
  max_position_embeddings: count.default(64),
  hidden_act: activationName.default("gelu_pytorch_tanh"),
  layer_norm_eps: epsilon,
  projection_size: count.nullish(),
});
type TextConfig = z.output<typeof textConfig>;

const siglipConfig = z.object({
  vision_config: visionConfig.prefault({}),
  text_config: textConfig.prefault({}),
});
type SiglipConfig = z.output<typeof siglipConfig>;

const afterLayers = ["post_layernorm"];

const tower: ImageTower<SiglipConfig, VisionConfig> = {
  classStem: "Siglip",
  vision: (c) => c.vision_config,
  encoded: imagesEncoded,
  features,
  projected: imagesPooled,
  leading: 0,
};

/**
 * A tower for images and one for texts, trained by pairs that match or do not. The body is that for images. A text is
 * read at its last token, so all must be filled up to the length of training. Source: Zhai et al. 2023.
 */
const siglip: Architecture<SiglipConfig> = {
  modelTypes: ["siglip"],
  config: siglipConfig,
  prefix: "vision_model",
  blocks: (c) => towerBlocks({ sizes: c.vision_config, others: afterLayers }, c.text_config),
  kept: /^head\./,
  heads: {
    "image-text": {
      className: "SiglipModel",
      build(m, c) {
        const images = imagesPooled(m, c);
        const texts = textsEncoded(m.at("text_model"), c.text_config);
        const [scale, bias] = [m.weight("logit_scale", [1], "ones"), m.weight("logit_bias", [1], "zeros")];
        outputSimilarity(m, { images, texts }, { scale, bias });
      },
    },
    ...imageTowerHeads(tower),
  },
};

/** SigLIP's tower for images alone. */
const siglipVision = imageTower(tower, {
  modelType: "siglip_vision_model",
  config: visionConfig,
  others: afterLayers,
});

/** Images in the space where they meet texts: [batch, width]. */
function imagesPooled(m: Network, c: SiglipConfig): Value {
  const vision = m.at("vision_model");
  return pooled(vision.at("head"), c.vision_config, imagesEncoded(vision, c.vision_config));
}

function features(m: Network, c: VisionConfig): ImageFeatures {
  const hidden = imagesEncoded(m, c);
  return { hidden, pooled: c.vision_use_head ? pooled(m.at("head"), c, hidden) : undefined };
}

function imagesEncoded(m: Network, c: VisionConfig): Value {
  const at = m.at("embeddings");
  const width = c.hidden_size;
  const pixels = pixelInput(m, c.num_channels, c.image_size);
  const x = patches(at, "patch_embedding", pixels, { width, side: c.patch_size });
  const places = patchCount(c.image_size, c.patch_size);
  const embedded = m.g.add(x, at.weight("position_embedding.weight", [places, width], "matrix"));
  return m.layerNorm("post_layernorm", towerEncoded(m, c, embedded), c.layer_norm_eps);
}

/** A learnt question's attention over the patches, then a residual perceptron: [batch, width]. */
function pooled(m: Network, c: VisionConfig, hidden: Value): Value {
  const { g } = m;
  const width = numberAt(hidden, -1);
  const probe = m.weight("probe", [1, 1, width], "matrix");
  const question = g.op("Expand", [probe, g.concat([g.sizeOf(hidden, 0), g.ints([1, width])], 0)]);
  const weights = m.weight("attention.in_proj_weight", [3 * width, width], "matrix");
  const offsets = m.weight("attention.in_proj_bias", [3 * width], "zeros");
  const projected = (part: number, x: Value) => {
    const rows = (value: Value) => g.slice(value, [0], [part * width], [(part + 1) * width]);
    return m.affine(x, rows(weights), rows(offsets));
  };
  const split = { q: projected(0, question), k: projected(1, hidden), v: projected(2, hidden) };
  const attended = multiHeadAttention(m, split, { heads: c.num_attention_heads });
  const y = m.linear("attention.out_proj", attended, width);
  const sizes = { inner: c.intermediate_size, activation: c.hidden_act };
  const normed = m.layerNorm("layernorm", y, c.layer_norm_eps);
  const sum = g.add(y, perceptron(m, { inner: "mlp.fc1", outer: "mlp.fc2" }, sizes, normed));
  return tokenAt(m, sum, 0);
}

/** What each text says, read at its last token, padding or not: [texts, width]. */
function textsEncoded(m: Network, c: TextConfig): Value {
  const ids = textsInput(m, "input_ids");
  const encoded = towerEncoded(m, c, textEmbedded(m.at("embeddings"), ids, c));
  const hidden = m.layerNorm("final_layer_norm", encoded, c.layer_norm_eps);
  return m.linear("head", tokenAt(m, hidden, -1), c.projection_size ?? c.hidden_size);
}

export const siglipArchitectures = [architecture(siglip), architecture(siglipVision)];
