import type { GraphBuilder } from "../../src/graph/builder.ts";
import { all, angles, gaps, known, present, row, whole } from "./attention-rows.ts";
import type { GradCase } from "./grad-case.ts";

const multi = "com.microsoft.MultiHeadAttention";
const own = "com.microsoft.Attention";
const group = "com.microsoft.GroupQueryAttention";
const pads = (g: GraphBuilder) => g.constant([1, 1, 0, 1, 0, 0], "int32", [2, 3]);
const pairs = (g: GraphBuilder) =>
  g.constant([1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 1, 0, 0, 1, 0, 1, 1, 1], "int32", [2, 3, 3]);
const i32 = (g: GraphBuilder, values: readonly number[]) => g.constant(values, "int32");
const heads = { num_heads: 2 };
const shared = { num_heads: 4, kv_num_heads: 2 };
const seqlens = (g: GraphBuilder, last: number) => [
  i32(g, [last, last]),
  g.constant([last + 1], "int32", []),
];

export const attentionMicrosoft: { readonly [title: string]: GradCase } = {
  "MultiHeadAttention across sequences": row(multi, "2x3x8, 2x5x8, 2x5x6", { ...heads, scale: 0.3 }, all),
  "MultiHeadAttention with biases": row(multi, "2x3x8, 2x3x8, 2x3x6, 22", heads, all),
  "MultiHeadAttention, padding": row(multi, "2x3x8, 2x3x8, 2x3x8", heads, (g, q, k, v) => [
    q,
    k,
    v,
    undefined,
    pads(g),
  ]),
  "MultiHeadAttention, lengths": row(multi, "2x3x8, 2x3x8, 2x3x8", heads, (g, q, k, v) => [
    q,
    k,
    v,
    undefined,
    i32(g, [2, 3]),
  ]),
  "MultiHeadAttention, pairs masked by little": row(
    multi,
    "2x3x8, 2x3x8, 2x3x8, 1x2x3x3",
    { ...heads, mask_filter_value: -2 },
    (g, q, k, v, bias) => [q, k, v, undefined, pairs(g), bias],
  ),
  "MultiHeadAttention, causal, after a past": whole(
    multi,
    "2x3x8, 2x3x8, 2x3x8, 2x2x2x4, 2x2x2x4",
    { ...heads, unidirectional: 1 },
    present,
    (_, q, k, v, pastK, pastV) => [q, k, v, ...gaps(3), pastK, pastV],
  ),
  "MultiHeadAttention, its scores read": whole(multi, "2x3x8, 2x3x8, 2x3x8", heads, ["y", "", "", "s"], all),
  "MultiHeadAttention of keys that come as heads": row(multi, "2x3x8, 2x2x5x4, 2x2x5x3", heads, all),
  "MultiHeadAttention of keys that come as heads, a bias for the queries": row(
    multi,
    "2x3x8, 2x2x5x4, 2x2x5x3, 22",
    heads,
    all,
    { of: [0, 1, 2] },
  ),
  "MultiHeadAttention, all packed": row(multi, "2x3x2x3x4", heads, all),
  "MultiHeadAttention, keys and values packed": row(multi, "2x3x8, 2x5x2x2x4", heads, all),
  "MultiHeadAttention, sizes unknown": row(
    multi,
    "2x3x8, 2x5x8, 2x5x8",
    heads,
    (g, q, k, v) => [
      ...[q, k, v].map((x) => known(g, x, 8)),
      undefined,
      g.constant([1, 1, 1, 1, 0, 0, 1, 1, 0, 0], "int32", [2, 5]),
    ],
    { symbolic: true },
  ),
  "com.microsoft.Attention": row(own, "2x3x6, 6x24, 24", heads, all),
  "com.microsoft.Attention without a bias, causal": row(
    own,
    "2x3x6, 6x24",
    { ...heads, unidirectional: 1 },
    all,
  ),
  "com.microsoft.Attention, values of another size, padding": row(
    own,
    "2x3x6, 6x22, 22",
    { ...heads, qkv_hidden_sizes: [8, 8, 6] },
    (g, x, w, b) => [x, w, b, pads(g)],
  ),
  "com.microsoft.Attention, keys between begins and ends": row(
    own,
    "2x3x6, 6x24, 24",
    heads,
    (g, x, w, b) => [x, w, b, i32(g, [3, 2, 1, 0])],
  ),
  "com.microsoft.Attention after a past, with a bias to its scores": whole(
    own,
    "2x3x6, 6x24, 24, 2x2x2x2x4, 1x2x3x5",
    { ...heads, unidirectional: 1 },
    ["y", "p"],
    (_, x, w, b, past, bias) => [x, w, b, undefined, past, bias],
  ),
  ...Object.fromEntries(
    [
      [3, 1],
      [3, 2, 1, 0],
    ].map((mask) => [
      `com.microsoft.Attention, batch unknown, ${mask.length} numbers for two examples`,
      row(
        own,
        "2x3x6, 6x24, 24",
        heads,
        (g, x, w, b) => [x, g.reshape(w, [6, 24]), g.reshape(b, [24]), i32(g, mask)],
        {
          symbolic: true,
        },
      ),
    ]),
  ),
  "com.microsoft.Attention, sizes unknown": row(
    own,
    "2x3x6, 6x24, 24",
    { ...heads, unidirectional: 1 },
    (g, x, w, b) => [known(g, x, 6), g.reshape(w, [6, 24]), g.reshape(b, [24])],
    { symbolic: true },
  ),
  GroupQueryAttention: whole(group, "2x3x32, 2x3x16, 2x3x16", shared, present, (g, q, k, v) => [
    q,
    k,
    v,
    ...gaps(2),
    ...seqlens(g, 2),
  ]),
  "GroupQueryAttention, packed, rotating": row(group, "2x3x64", { ...shared, do_rotary: 1 }, (g, qkv) => [
    qkv,
    ...gaps(4),
    ...seqlens(g, 2),
    ...angles(g, [6, 4]),
  ]),
  "GroupQueryAttention, a part rotating, interleaved": row(
    group,
    "2x3x32, 2x3x16, 2x3x16",
    { ...shared, do_rotary: 1, rotary_interleaved: 1 },
    (g, q, k, v) => [
      q,
      k,
      v,
      ...gaps(2),
      ...seqlens(g, 2),
      ...angles(g, [6, 2]),
      g.constant([1, 2, 3], "int64", [1, 3]),
    ],
  ),
  "GroupQueryAttention, a window, capped": row(
    group,
    "2x5x32, 2x5x16, 2x5x16",
    { ...shared, local_window_size: 2, softcap: 1.5, scale: 0.3 },
    (g, q, k, v) => [q, k, v, ...gaps(2), ...seqlens(g, 4)],
  ),
  "GroupQueryAttention after a past, rotating": whole(
    group,
    "1x3x32, 1x3x16, 1x3x16, 1x2x2x8, 1x2x2x8",
    { ...shared, do_rotary: 1 },
    present,
    (g, q, k, v, pastK, pastV) => [
      q,
      k,
      v,
      pastK,
      pastV,
      i32(g, [4]),
      g.constant([5], "int32", []),
      ...angles(g, [6, 4]),
    ],
  ),
  "GroupQueryAttention, a sink and a bias": row(
    group,
    "2x3x32, 2x3x16, 2x3x16, 1x4x3x3, 4",
    shared,
    (g, q, k, v, bias, sink) => [q, k, v, ...gaps(2), ...seqlens(g, 2), ...gaps(3), bias, sink],
  ),
  "GroupQueryAttention, smooth, not causal, its weights read": whole(
    group,
    "2x3x32, 2x3x16, 2x3x16",
    { ...shared, causal: 0, smooth_softmax: 1, qk_output: 2 },
    [...present, "w"],
    (g, q, k, v) => [q, k, v, ...gaps(2), i32(g, [1, 2]), g.constant([3], "int32", [])],
  ),
  "GroupQueryAttention after an empty past of known size": whole(
    group,
    "2x3x32, 2x3x16, 2x3x16, 2x2x0x8",
    { ...shared, do_rotary: 1 },
    present,
    (g, q, k, v, past) => [q, k, v, past, past, ...seqlens(g, 2), ...angles(g, [6, 4])],
    { of: [0, 1, 2] },
  ),
  "GroupQueryAttention, sizes unknown, an empty past": row(
    group,
    "2x3x32, 2x3x16, 2x3x16, 2x2x0x8",
    { ...shared, do_rotary: 1, smooth_softmax: 1, local_window_size: 2 },
    (g, q, k, v, past) => {
      const before = g.op(
        "Reshape",
        [past, g.concat([g.sizeOf(past, 0), g.ints([2]), g.sizeOf(past, 2), g.ints([8])], 0)],
        {
          allowzero: 1,
        },
      );
      return [
        known(g, q, 32),
        known(g, k, 16),
        known(g, v, 16),
        before,
        before,
        ...seqlens(g, 2),
        ...angles(g, [6, 4]),
      ];
    },
    { symbolic: true, of: [0, 1, 2] },
  ),
};
