import { z } from "zod";
import type { Value } from "../../graph/ir.ts";
import { type Architecture, architecture } from "../architecture.ts";
import { activationName } from "../network/activations.ts";
import { biasOf } from "../network/attention.ts";
import { count } from "../network/config-fields.ts";
import {
  type ImageFeatures,
  patchCount,
  patches,
  pixelInput,
  squareSide,
  tokenAt,
  withTokens,
} from "../network/image-encoder.ts";
import type { Network } from "../network/network.ts";

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

const visionConfig = z.object({
  ...visionFields,
  patch_size: squareSide.default(32),
  hidden_act: activationName.default("quick_gelu"),
});
type VisionConfig = z.output<typeof visionConfig>;

const textConfig = z.object({
  ...textFields,
  num_attention_heads: count.default(8),
  vocab_size: count.default(49408),
  hidden_size: count.default(512),
  intermediate_size: count.default(2048),
  max_position_embeddings: count.default(77),
  hidden_act: activationName.default("quick_gelu"),
  eos_token_id: z.int().default(49407),
});
type TextConfig = z.output<typeof textConfig>;

const clipFields = z.object({
  vision_config: visionConfig.nullish().transform((c) => c ?? visionConfig.parse({})),
  text_config: textConfig.nullish().transform((c) => c ?? textConfig.parse({})),
  projection_dim: count.default(512),
});
/** The oldest configs have towers under these names too, which then go before the others. */
const clipConfig = z.preprocess((given) => {
  if (typeof given !== "object" || given === null) return given;
  const { vision_config_dict: vision, text_config_dict: text } = given as Readonly<Record<string, unknown>>;
  return { ...given, ...(vision ? { vision_config: vision } : {}), ...(text ? { text_config: text } : {}) };
}, clipFields);
type ClipConfig = z.output<typeof clipConfig>;

const afterLayers = ["post_layernorm"];

const tower: ImageTower<ClipConfig, VisionConfig> = {
  classStem: "CLIP",
  vision: (c) => c.vision_config,
  encoded: imagesEncoded,
  features,
  projected: imagesProjected,
  leading: 1,
};

/** A tower for images and one for texts that meet in one space. The body is that for images. Source: Radford et al. 2021. */
const clip: Architecture<ClipConfig> = {
  modelTypes: ["clip"],
  config: clipConfig,
  prefix: "vision_model",
  blocks: (c) => towerBlocks({ sizes: c.vision_config, others: afterLayers }, c.text_config),
  kept: /^post_layernorm\./,
  heads: {
    "image-text": {
      className: "CLIPModel",
      build(m, c) {
        const texts = textsEncoded(m.at("text_model"), c.text_config);
        outputSimilarity(
          m,
          {
            images: imagesProjected(m, c),
            texts: m.linear("text_projection", texts, c.projection_dim, { bias: false }),
          },
          { scale: m.weight("logit_scale", [], "ones") },
        );
      },
    },
    ...imageTowerHeads(tower),
  },
};

/** CLIP's tower for images alone. */
const clipVision = imageTower(tower, {
  modelType: "clip_vision_model",
  config: visionConfig,
  others: afterLayers,
});

/** Images in the space where they meet texts: [batch, projection]. */
function imagesProjected(m: Network, c: ClipConfig): Value {
  const vision = m.at("vision_model");
  const images = pooled(vision, c.vision_config, imagesEncoded(vision, c.vision_config));
  return m.linear("visual_projection", images, c.projection_dim, { bias: false });
}

function features(m: Network, c: VisionConfig): ImageFeatures {
  const hidden = imagesEncoded(m, c);
  return { hidden, pooled: pooled(m, c, hidden) };
}

function imagesEncoded(m: Network, c: VisionConfig): Value {
  const pixels = pixelInput(m, c.num_channels, c.image_size);
  const x = m.layerNorm("pre_layrnorm", imagesEmbedded(m.at("embeddings"), c, pixels), c.layer_norm_eps);
  return towerEncoded(m, c, x);
}

/** The normalised first token: [batch, width]. */
const pooled = (m: Network, c: VisionConfig, hidden: Value): Value =>
  m.layerNorm("post_layernorm", tokenAt(m, hidden, 0), c.layer_norm_eps);

function imagesEmbedded(m: Network, c: VisionConfig, pixels: Value): Value {
  const width = c.hidden_size;
  const x = patches(m, "patch_embedding", pixels, { width, side: c.patch_size, bias: false });
  const places = patchCount(c.image_size, c.patch_size) + 1;
  return m.g.add(
    withTokens(m, [m.weight("class_embedding", [width], "matrix")], x),
    m.weight("position_embedding.weight", [places, width], "matrix"),
  );
}

/** What each text says, read where it ends: [texts, width]. */
function textsEncoded(m: Network, c: TextConfig): Value {
  const { g } = m;
  const ids = textsInput(m, "input_ids");
  const places = m.countedPositions(ids);
  const isPast = g.lessOrEqual(g.unsqueeze(places, [0]), g.unsqueeze(places, [1]));
  const isWord = g.cast(g.unsqueeze(textsInput(m, "attention_mask"), [1, 2]), "bool");
  const bias = biasOf(m, g.op("And", [g.unsqueeze(isPast, [0, 1]), isWord]));
  const encoded = towerEncoded(m, c, textEmbedded(m.at("embeddings"), ids, c), bias);
  const hidden = m.layerNorm("final_layer_norm", encoded, c.layer_norm_eps);
  const end = g.op("ArgMax", [endMarks(m, ids, c)], { axis: 1, keepdims: 1 });
  return g.op("GatherND", [hidden, end], { batch_dims: 1 });
}

/**
 * Greatest where a text ends. Checkpoints from before the end's number was put right say 2; in these the end is the
 * word of the highest number, as it is in the vocabulary that all of them have.
 */
function endMarks({ g }: Network, ids: Value, { eos_token_id: end }: TextConfig): Value {
  return end === 2 ? ids : g.cast(g.equal(ids, end), "int32");
}

export const clipArchitectures = [architecture(clip), architecture(clipVision)];
