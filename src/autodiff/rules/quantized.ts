import type { GradRules } from "../rule.ts";

export const quantized = {} satisfies Partial<GradRules>;
