import type { GradRules } from "../rule.ts";

export const signal = {} satisfies Partial<GradRules>;
