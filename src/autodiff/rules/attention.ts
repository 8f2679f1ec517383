import type { GradRules } from "../rule.ts";

export const attention = {
  Attention: "expansion",
  // a rule beside the expansion: the opposite turn, by the operator itself; angles have no gradient
  RotaryEmbedding: [
    ({ g, dy, node, x: [, cos, sin], attrs }) =>
      g.op("RotaryEmbedding", [dy, cos, g.neg(sin), node.inputs[3]], attrs),
    null,
    null,
    null,
  ],
  "com.microsoft.RotaryEmbedding": [
    ({ g, dy, x: [, positions, cos, sin], attrs }) =>
      g.op("com.microsoft.RotaryEmbedding", [dy, positions, cos, g.neg(sin)], attrs),
    null,
    null,
    null,
  ],
  "com.microsoft.Attention": "expansion",
  "com.microsoft.MultiHeadAttention": "expansion",
  "com.microsoft.GroupQueryAttention": "expansion",
} satisfies Partial<GradRules>;
