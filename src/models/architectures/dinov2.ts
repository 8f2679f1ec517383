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
  patchGrid,
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
import { interpolatedPlaces } from "../network/places.ts";
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
 * Vision transformer whose layers scale what they add. What it has learnt of places is interpolated for images of another
 * size than the config's, which checkpoints are usually given. Source: Oquab et al. 2023.
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
  let x = embedded(m.at("embeddings"), c);
  for (const path of layers(c)) x = layer(m.at(path), c, x);
  const hidden = m.layerNorm("layernorm", x, c.layer_norm_eps);
  return { hidden, pooled: tokenAt(m, hidden, 0) };
}

function embedded(m: Network, c: Dinov2Config): Value {
  const { g } = m;
  const { hidden_size: width, patch_size: side } = c;
  const size = m.options.imageSize ?? c.image_size;
  const pixels = pixelInput(m, c.num_channels, size);
  const x = patches(m, "patch_embeddings.projection", pixels, { width, side });
  const count = patchCount(c.image_size, side);
  const learnt = m.weight("position_embeddings", [1, count + 1, width], "matrix");
  const [from, to] = [patchGrid(c.image_size, side), patchGrid(size, side)];
  const isSame = from.every((cells, axis) => cells === to[axis]);
  const part = (start: number, end: number) => g.slice(learnt, [1], [start], [end]);
  const places = isSame
    ? learnt
    : g.concat([part(0, 1), interpolatedPlaces(m, part(1, count + 1), from, to)], 1);
  return g.add(withTokens(m, [m.weight("cls_token", [1, 1, width], "zeros")], x), places);
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
