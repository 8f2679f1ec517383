import type { GradRules } from "../rule.ts";

export const imaging = {} satisfies Partial<GradRules>;
