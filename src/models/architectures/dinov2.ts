import { z } from "zod";
import type { Value } from "../../graph/ir.ts";
import { type Architecture, architecture } from "../architecture.ts";
import { factor } from "../network/config-fields.ts";
import {
  type ImageFeatures,
  imageHeads,
  meanOfTokens,
  type PreNormNames,
  patchCount,
  patches,
  pixelInput,
  preNormLayer,
  squareSide,
  tokenAt,
  vitAttentionModules,
  vitFields,
  vitLayer,
  withTokens,
} from "../network/image-encoder.ts";
import { type Network, numberAt } from "../network/network.ts";
import { layerPaths } from "../network/text-encoder.ts";

const dinov2Config = z.object({
  ...vitFields,
  mlp_ratio: factor.default(4),
  layer_norm_eps: z.number().positive().default(1e-6),
  patch_size: squareSide.default(14),
  use_swiglu_ffn: z.boolean().default(false),
});
type Dinov2Config = z.output<typeof dinov2Config>;

const layers = (c: Dinov2Config): string[] => layerPaths("encoder.layer", c.num_hidden_layers);

/**
 * Vision transformer whose layers scale what they add. Positions are those of the config's image size: other sizes would
 * need interpolated ones. Source: Oquab et al. 2023.
 */
const dinov2: Architecture<Dinov2Config> = {
  modelTypes: ["dinov2"],
  config: dinov2Config,
  prefix: "dinov2",
  blocks: (c) => ["embeddings", ...layers(c), "layernorm"],
  kept: /^embeddings\.mask_token$/,
  modules: vitAttentionModules,
  heads: imageHeads<Dinov2Config>({
    classStem: "Dinov2",
    prefix: "dinov2",
    features: encoded,
    classified: (m, { hidden, pooled }) => m.g.concat([pooled!, meanOfTokens(m, hidden, 1)], 1),
  }),
};

function encoded(m: Network, c: Dinov2Config): ImageFeatures {
  const pixels = pixelInput(m, c.num_channels, c.image_size);
  let x = embedded(m.at("embeddings"), c, pixels);
  for (const path of layers(c)) x = layer(m.at(path), c, x);
  const hidden = m.layerNorm("layernorm", x, c.layer_norm_eps);
  return { hidden, pooled: tokenAt(m, hidden, 0) };
}

function embedded(m: Network, c: Dinov2Config, pixels: Value): Value {
  const width = c.hidden_size;
  const x = patches(m, "patch_embeddings.projection", pixels, { width, side: c.patch_size });
  const places = patchCount(c.image_size, c.patch_size) + 1;
  return m.g.add(
    withTokens(m, [m.weight("cls_token", [1, 1, width], "zeros")], x),
    m.weight("position_embeddings", [1, places, width], "matrix"),
  );
}

const names: PreNormNames = {
  ...vitLayer,
  norm1: "norm1",
  norm2: "norm2",
  inner: "mlp.fc1",
  outer: "mlp.fc2",
};

function layer(m: Network, c: Dinov2Config, x: Value): Value {
  const inner = Math.trunc(c.hidden_size * c.mlp_ratio);
  const sizes = {
    heads: c.num_attention_heads,
    inner,
    activation: c.hidden_act,
    epsilon: c.layer_norm_eps,
    hasQkvBias: c.qkv_bias,
  };
  return preNormLayer(m, names, sizes, x, {
    scales: ["layer_scale1.lambda1", "layer_scale2.lambda1"],
    ...(c.use_swiglu_ffn && { feedForward: (normed) => gated(m.at("mlp"), normed, inner) }),
  });
}

/**
 * W₂·(silu(G·x) ⊙ U·x), with G above U in one matrix and two thirds of the usual width, rounded up to a multiple of 8.
 * Source: Shazeer 2020.
 */
function gated(m: Network, x: Value, usual: number): Value {
  const { g } = m;
  const width = Math.ceil(Math.trunc((usual * 2) / 3) / 8) * 8;
  const both = m.linear("weights_in", x, 2 * width);
  const gate = g.slice(both, [2], [0], [width]);
  const up = g.slice(both, [2], [width], [2 * width]);
  return m.linear("weights_out", g.mul(m.activation("silu", gate), up), numberAt(x, -1));
}

export const dinov2Architecture = architecture(dinov2);
