import { z } from "zod";
import { range } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import { int64 } from "../../graph/tensor.ts";
import { type Architecture, architecture } from "../architecture.ts";
import { activationName } from "../network/activations.ts";
import { count, factor, layerCount } from "../network/config-fields.ts";
import {
  asTokens,
  type ImageFeatures,
  imageHeads,
  meanOfTokens,
  type PreNormNames,
  patchCount,
  pixelInput,
  preNormLayer,
  sides,
  squareSide,
  stagePaths,
  vitAttentionModules,
  vitFeedforwardModules,
  vitLayer,
} from "../network/image-encoder.ts";
import { type Network, numberAt } from "../network/network.ts";
import { joinedWindows, relativeCells, rolled, shiftedWindows, splitWindows } from "../network/windows.ts";

const swinConfig = z
  .object({
    image_size: sides.default([224, 224]),
    patch_size: squareSide.default(4),
    num_channels: count.default(3),
    embed_dim: count.default(96),
    depths: z.array(layerCount).default([2, 2, 6, 2]),
    num_heads: z.array(count).default([3, 6, 12, 24]),
    window_size: count.default(7),
    mlp_ratio: factor.default(4),
    qkv_bias: z.boolean().default(true),
    hidden_act: activationName.default("gelu"),
    use_absolute_embeddings: z.boolean().default(false),
    layer_norm_eps: z.number().positive().default(1e-5),
  })
  .refine((c) => c.num_heads.length === c.depths.length, {
    path: ["num_heads"],
    error: "expected one for each of depths",
  })
  .refine((c) => c.depths.every((_, stage) => Math.min(...gridOf(c, stage)) >= c.window_size), {
    path: ["window_size"],
    error: "expected no more than the patches along a side of the last stage",
  });
type SwinConfig = z.output<typeof swinConfig>;

/** Rows and columns of the patches in a stage; each stage but the first halves them, rounded up. */
function gridOf(c: { image_size: readonly [number, number]; patch_size: number }, stage: number) {
  const [rows, columns] = c.image_size.map((side) =>
    range(stage).reduce((cells) => Math.ceil(cells / 2), Math.ceil(side / c.patch_size)),
  );
  return [rows!, columns!] as const;
}

/** Vision transformer that attends within windows, which move by half a window in every second layer. Source: Liu et al. 2021. */
const swin: Architecture<SwinConfig> = {
  modelTypes: ["swin"],
  modules: [...vitAttentionModules, ...vitFeedforwardModules],
  config: swinConfig,
  prefix: "swin",
  blocks: (c) => [
    "embeddings",
    ...c.depths.flatMap((depth, stage) => [
      ...stagePaths([depth], (_, part) => `encoder.layers.${stage}.blocks.${part}`),
      `encoder.layers.${stage}.downsample`,
    ]),
    "layernorm",
  ],
  kept: /^embeddings\.mask_token$|relative_position_index$/,
  heads: imageHeads<SwinConfig>({
    classStem: "Swin",
    prefix: "swin",
    features: encoded,
    classified: (_, { pooled }) => pooled!,
  }),
};

function encoded(m: Network, c: SwinConfig): ImageFeatures {
  let x = embedded(m.at("embeddings"), c);
  for (const [stage, depth] of c.depths.entries()) {
    const at = m.at(`encoder.layers.${stage}`);
    const grid = gridOf(c, stage);
    for (const i of range(depth)) x = layer(at.at(`blocks.${i}`), c, x, { stage, isShifted: i % 2 === 1 });
    if (stage < c.depths.length - 1) x = merged(at.at("downsample"), x, grid);
  }
  const hidden = m.layerNorm("layernorm", x, c.layer_norm_eps);
  return { hidden, pooled: meanOfTokens(m, hidden) };
}

/** Normalised patches; an image that does not divide into patches is filled up with zeros. */
function embedded(m: Network, c: SwinConfig): Value {
  const { g } = m;
  const { patch_size: side, embed_dim: width } = c;
  const pixels = pixelInput(m, c.num_channels, c.image_size);
  const [bottom, right] = c.image_size.map((size) => (side - (size % side)) % side);
  const whole = g.pad(pixels, [0, 0, 0, 0, 0, 0, bottom!, right!]);
  const projected = m.conv("patch_embeddings.projection", whole, width, { kernel: side, stride: side });
  const x = m.layerNorm("norm", asTokens(m, projected), 1e-5);
  if (!c.use_absolute_embeddings) return x;
  return g.add(x, m.weight("position_embeddings", [1, patchCount(c.image_size, side), width], "matrix"));
}

const names: PreNormNames = {
  ...vitLayer,
  query: "attention.self.query",
  key: "attention.self.key",
  value: "attention.self.value",
};

function layer(
  m: Network,
  c: SwinConfig,
  x: Value,
  { stage, isShifted }: { readonly stage: number; readonly isShifted: boolean },
): Value {
  const { g } = m;
  const width = numberAt(x, -1);
  const heads = c.num_heads[stage]!;
  const side = c.window_size;
  const grid = gridOf(c, stage);
  const padded = grid.map((cells) => Math.ceil(cells / side) * side) as [number, number];
  // One window that holds all rows or columns has nowhere to move.
  const shift = isShifted && Math.min(...grid) > side ? Math.floor(side / 2) : 0;
  const sizes = {
    heads,
    inner: Math.trunc(c.mlp_ratio * width),
    activation: c.hidden_act,
    epsilon: c.layer_norm_eps,
    hasQkvBias: c.qkv_bias,
  };
  return preNormLayer(m, names, sizes, x, {
    biases: [
      relativeBias(m.at("attention.self"), side, heads),
      shift > 0 ? shiftedWindows(g, x, padded, { side, shift }) : undefined,
    ],
    within(normed, attend) {
      const image = g.op("Reshape", [normed, g.ints([0, ...grid, width])]);
      const filled = g.pad(image, [0, 0, 0, 0, 0, padded[0] - grid[0], padded[1] - grid[1], 0]);
      const windows = splitWindows(g, rolled(g, filled, shift), side);
      const joined = rolled(g, joinedWindows(g, attend(windows), padded, side), -shift);
      const cut = g.slice(joined, [1, 2], [0, 0], grid);
      return g.op("Reshape", [cut, g.ints([0, grid[0] * grid[1], width])]);
    },
  });
}

/** A number for each head and distance between two cells of a window: [1, heads, cells, cells]. */
function relativeBias(m: Network, side: number, heads: number): Value {
  const { g } = m;
  const distances = (2 * side - 1) ** 2;
  const cells = side ** 2;
  const table = m.weight("relative_position_bias_table", [distances, heads], "zeros");
  const index = g.tensor(int64([cells * cells], relativeCells(side)), `relative cells ${side}`);
  const rows = g.op("Gather", [table, index], { axis: 0 });
  return g.unsqueeze(g.transpose(g.reshape(rows, [cells, cells, heads]), [2, 0, 1]), [0]);
}

/** Four neighbours become one of twice the width. [batch, rows · columns, width] -> [batch, a quarter, 2 · width]. */
function merged(m: Network, x: Value, [rows, columns]: readonly [number, number]): Value {
  const { g } = m;
  const width = numberAt(x, -1);
  const image = g.op("Reshape", [x, g.ints([0, rows, columns, width])]);
  const [evenRows, evenColumns] = [rows + (rows % 2), columns + (columns % 2)];
  const even = g.pad(image, [0, 0, 0, 0, 0, rows % 2, columns % 2, 0]);
  const neighbours = [0, 1].flatMap((column) =>
    [0, 1].map((row) => g.slice(even, [1, 2], [row, column], [evenRows, evenColumns], [2, 2])),
  );
  const together = g.op("Reshape", [
    g.concat(neighbours, 3),
    g.ints([0, (evenRows / 2) * (evenColumns / 2), 4 * width]),
  ]);
  return m.linear("reduction", m.layerNorm("norm", together, 1e-5), 2 * width, { bias: false });
}

export const swinArchitecture = architecture(swin);
