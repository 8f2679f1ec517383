import { z } from "zod";
import type { Value } from "../../graph/ir.ts";
import { type Architecture, architecture } from "../architecture.ts";
import { activationName } from "../network/activations.ts";
import { count } from "../network/config-fields.ts";
import {
  type ImageFeatures,
  imageHeads,
  patchCount,
  patches,
  pixelInput,
  preNormLayer,
  squareSide,
  tokenAt,
  vitAttentionModules,
  vitFeedforwardModules,
  vitFields,
  vitLayer,
  withTokens,
} from "../network/image-encoder.ts";
import type { Network } from "../network/network.ts";
import { firstTokenDense, layerPaths } from "../network/text-encoder.ts";

const vitConfig = z.object({
  ...vitFields,
  intermediate_size: count.default(3072),
  layer_norm_eps: z.number().positive().default(1e-12),
  patch_size: squareSide.default(16),
  pooler_output_size: count.nullish(),
  pooler_act: activationName.default("tanh"),
  architectures: z.array(z.string()).nullish(),
});
type VitConfig = z.output<typeof vitConfig>;

/** What tells the networks of this kind apart. */
interface VitRow {
  readonly modelType: string;
  readonly classStem: string;
  /** Learnt tokens before the patches. */
  readonly tokens: readonly string[];
  /** A class whose logits are the mean of a classifier on each of the learnt tokens, and these classifiers. */
  readonly taught?: { readonly className: string; readonly classifiers: readonly string[] };
}

/** Vision transformer over patches. Sources: Dosovitskiy et al. 2021; DeiT: Touvron et al. 2021. */
function vitLike({ modelType, classStem, tokens, taught }: VitRow): Architecture<VitConfig> {
  const encoded = (m: Network, c: VitConfig, isBare: boolean): ImageFeatures => {
    const pixels = pixelInput(m, c.num_channels, c.image_size);
    let x = embedded(m.at("embeddings"), c, pixels, tokens);
    for (const path of layers(c)) x = layer(m.at(path), c, x);
    const hidden = m.layerNorm("layernorm", x, c.layer_norm_eps);
    const hasPooler = isBare && m.has("pooler.dense.weight");
    return {
      hidden,
      pooled: hasPooler
        ? firstTokenDense(m, "pooler.dense", hidden, c.pooler_act, c.pooler_output_size ?? c.hidden_size)
        : undefined,
    };
  };
  const heads = imageHeads<VitConfig>({
    classStem,
    prefix: modelType,
    features: encoded,
    classified: (m, { hidden }) => tokenAt(m, hidden, 0),
  });
  const plain = heads["image-classification"]!;
  return {
    modelTypes: [modelType],
    config: vitConfig,
    prefix: modelType,
    blocks: (c) => ["embeddings", ...layers(c), "layernorm"],
    kept: /^embeddings\.mask_token$/,
    modules: [
      ...vitAttentionModules,
      ...vitFeedforwardModules,
      [/(^|\.)encoder\.layer\.(?=\d)/, "$1layers."],
    ],
    heads: {
      ...heads,
      "image-classification": {
        ...plain,
        ...(taught && { otherClassNames: [taught.className] }),
        build(m, c) {
          if (!taught || !c.architectures?.includes(taught.className)) return plain.build(m, c);
          const { hidden } = encoded(m.at(modelType), c, false);
          const logits = taught.classifiers.map((name, place) =>
            m.linear(name, tokenAt(m, hidden, place), m.options.classes),
          );
          m.output("logits", m.g.div(logits.reduce(m.g.add), logits.length));
        },
      },
    },
  };
}

const layers = (c: VitConfig): string[] => layerPaths("encoder.layer", c.num_hidden_layers);

function embedded(m: Network, c: VitConfig, pixels: Value, tokens: readonly string[]): Value {
  const width = c.hidden_size;
  const x = patches(m, "patch_embeddings.projection", pixels, { width, side: c.patch_size });
  const learnt = tokens.map((name) => m.weight(name, [1, 1, width], "zeros"));
  const places = patchCount(c.image_size, c.patch_size) + tokens.length;
  return m.g.add(withTokens(m, learnt, x), m.weight("position_embeddings", [1, places, width], "matrix"));
}

const layer = (m: Network, c: VitConfig, x: Value): Value =>
  preNormLayer(
    m,
    vitLayer,
    {
      heads: c.num_attention_heads,
      inner: c.intermediate_size,
      activation: c.hidden_act,
      epsilon: c.layer_norm_eps,
      hasQkvBias: c.qkv_bias,
    },
    x,
  );

export const vitArchitectures = [
  vitLike({ modelType: "vit", classStem: "ViT", tokens: ["cls_token"] }),
  vitLike({
    modelType: "deit",
    classStem: "DeiT",
    tokens: ["cls_token", "distillation_token"],
    taught: {
      className: "DeiTForImageClassificationWithTeacher",
      classifiers: ["cls_classifier", "distillation_classifier"],
    },
  }),
].map((row) => architecture(row));
