import type { GradRules } from "../rule.ts";

export const fused = {} satisfies Partial<GradRules>;
