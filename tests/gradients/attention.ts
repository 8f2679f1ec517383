import { attentionMicrosoft } from "./attention-microsoft.ts";
import { all, angles, gaps, known, places, present, row, whole } from "./attention-rows.ts";
import type { GradCase } from "./grad-case.ts";

const turn = "com.microsoft.RotaryEmbedding";
const rotary: { readonly [title: string]: GradCase } = Object.fromEntries(
  [0, 1].flatMap((interleaved) => {
    const how = interleaved ? "interleaved" : "in halves";
    const partial = { interleaved, num_heads: 2, rotary_embedding_dim: 4 };
    const newer = { notInRuntime: "the operator is newer than the opset of these graphs" };
    return [
      [
        `com.microsoft.RotaryEmbedding, ${how}`,
        row(turn, "2x3x16", { interleaved }, (g, x) => [x, places(g), ...angles(g, [6, 4])]),
      ],
      [
        `com.microsoft.RotaryEmbedding of heads, ${how}`,
        row(turn, "2x2x3x8", { interleaved }, (g, x) => [x, places(g), ...angles(g, [6, 4])]),
      ],
      [
        `com.microsoft.RotaryEmbedding of a part, ${how}`,
        row(turn, "2x3x16", partial, (g, x) => [x, places(g), ...angles(g, [6, 2])]),
      ],
      [
        `RotaryEmbedding, ${how}`,
        row(
          "RotaryEmbedding",
          "2x2x3x8",
          { interleaved },
          (g, x) => [x, ...angles(g, [6, 4]), places(g)],
          newer,
        ),
      ],
      [
        `RotaryEmbedding of a part without places, ${how}`,
        row("RotaryEmbedding", "2x3x16", partial, (g, x) => [x, ...angles(g, [2, 3, 2])], newer),
      ],
    ];
  }),
);

export const attention: { readonly [title: string]: GradCase } = {
  ...rotary,
  ...attentionMicrosoft,
  "Attention, grouped": row("Attention", "2x4x3x8, 2x2x5x8, 2x2x5x6", {}, all),
  "Attention of three axes, causal": row(
    "Attention",
    "2x3x16, 2x5x16, 2x5x12",
    { q_num_heads: 2, kv_num_heads: 2, is_causal: 1, scale: 0.3 },
    all,
  ),
  "Attention, a query that sees nothing": row(
    "Attention",
    "2x4x3x8, 2x2x5x8, 2x2x5x6",
    { is_causal: 1 },
    (g, q, k, v) => [q, k, v, g.constant([1, 0, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0], "bool", [3, 5])],
  ),
  "Attention, a mask that moves, for fewer keys": whole(
    "Attention",
    "2x4x3x8, 2x2x5x8, 2x2x5x6, 4x3x4",
    { softcap: 1.5 },
    ["y", "", "", "w"],
    all,
  ),
  "Attention after a past, its weights read": whole(
    "Attention",
    "2x4x3x8, 2x2x5x8, 2x2x5x6, 2x2x2x8, 2x2x2x6",
    { is_causal: 1, qk_matmul_output_mode: 3 },
    [...present, "w"],
    (_, q, k, v, pastK, pastV) => [q, k, v, undefined, pastK, pastV],
  ),
  "Attention, keys of which some are none": row(
    "Attention",
    "2x4x3x8, 2x2x5x8, 2x2x5x6",
    { is_causal: 1 },
    (g, q, k, v) => [q, k, v, ...gaps(3), g.ints([5, 2])],
  ),
  "Attention, a window on both sides": row(
    "Attention",
    "1x2x4x8, 1x2x6x8, 1x2x6x8",
    { left_window_size: 1, right_window_size: 2 },
    all,
  ),
  "Attention, sizes unknown, weights in another precision": row(
    "Attention",
    "2x3x16, 2x5x8, 2x5x8",
    { q_num_heads: 4, kv_num_heads: 2, is_causal: 1, softmax_precision: 11 },
    (g, q, k, v) => [known(g, q, 16), known(g, k, 8), known(g, v, 8)],
    { symbolic: true },
  ),
};
