import { type GradCase, grad } from "./grad-case.ts";

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
};
