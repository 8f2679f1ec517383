import type { GradRules } from "../rule.ts";

export const gated = {
  CausalConvWithState: "expansion",
  LinearAttention: "expansion",
  SwiGLU: "expansion",
} satisfies Partial<GradRules>;
