import type { GraphBuilder } from "../../src/graph/builder.ts";
import type { Value } from "../../src/graph/ir.ts";
import { type GradCase, grad } from "./grad-case.ts";

/** The rule's inputs in order: query, key, value, past state, decay, β. Its state is read too. */
const attention =
  (update_rule: string, q_num_heads: number, kv_num_heads: number, more = {}) =>
  (g: GraphBuilder, ...inputs: (Value | undefined)[]) => {
    const attributes = { update_rule, q_num_heads, kv_num_heads, ...more };
    const node = g.node("LinearAttention", inputs, attributes, ["made", "state"]);
    return [node.outputs[0]!, node.outputs[1]!];
  };

export const gated: { readonly [title: string]: GradCase } = {
  SwiGLU: grad("2x3, 2x3", (g, a, b) => g.op("SwiGLU", [a, b])),
  "SwiGLU, steeper": grad("4, 4", (g, a, b) => g.op("SwiGLU", [a, b], { alpha: 1.7 })),
  CausalConvWithState: grad("2x3x5, 3x1x4", (g, x, w) => g.op("CausalConvWithState", [x, w])),
  "CausalConvWithState that goes on, its state read": grad(
    "2x3x2, 3x1x4, 3, 2x3x3",
    (g, x, w, bias, past) => {
      const attributes = { activation: "silu" };
      const node = g.node("CausalConvWithState", [x, w, bias, past], attributes, ["made", "state"]);
      return [node.outputs[0]!, node.outputs[1]!];
    },
  ),
  "CausalConvWithState of one tap": grad("1x2x4, 2x1x1", (g, x, w) =>
    g.op("CausalConvWithState", [x, w], { activation: "swish" }),
  ),
  "LinearAttention that adds": grad("2x3x4, 2x3x4, 2x3x6", attention("linear", 2, 2)),
  "LinearAttention that forgets, several queries for a key, going on": grad(
    "2x3x8, 2x3x4, 2x3x6, 2x2x2x3, 2x3x2",
    attention("gated", 4, 2, { scale: 0.3 }),
    { within: [-1, 1] },
  ),
  "LinearAttention that corrects": grad(
    "2x3x4, 2x3x2, 2x3x3, 2x3x1",
    (g, q, k, v, beta) => attention("delta", 2, 1)(g, q, k, v, undefined, undefined, beta),
    { within: [-1, 1] },
  ),
  "LinearAttention that forgets and corrects, each key's own": grad(
    "2x4x4, 2x4x4, 2x4x6, 2x4x4, 2x4x2",
    (g, q, k, v, decay, beta) => attention("gated_delta", 2, 2)(g, q, k, v, undefined, decay, beta),
    { within: [-1, 1] },
  ),
  "LinearAttention of one token": grad(
    "1x1x2, 1x1x2, 1x1x3, 1x1x2x3, 1x1x1, 1x1x1",
    attention("gated_delta", 1, 1),
    { within: [-1, 1] },
  ),
};
