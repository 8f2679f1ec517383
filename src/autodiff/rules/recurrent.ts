import type { GradRules } from "../rule.ts";

export const recurrent = {} satisfies Partial<GradRules>;
