import type { GradRules } from "../rule.ts";

export const indexing = {} satisfies Partial<GradRules>;
