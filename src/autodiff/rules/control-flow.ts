import type { GradRules } from "../rule.ts";

export const controlFlow = {
  If: "no-gradient",
  Loop: "no-gradient",
  Scan: "no-gradient",
} satisfies Partial<GradRules>;
