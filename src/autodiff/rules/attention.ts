import type { GradRules } from "../rule.ts";

export const attention = {} satisfies Partial<GradRules>;
