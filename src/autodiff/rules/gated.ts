import type { GradRules } from "../rule.ts";

export const gated = {
  CausalConvWithState: "expansion",
  LinearAttention: "no-gradient",
  SwiGLU: "expansion",
} satisfies Partial<GradRules>;
