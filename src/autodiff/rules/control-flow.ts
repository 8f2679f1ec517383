import { loopSteps, scanSteps } from "../../graph/steps.ts";
import { backThroughSteps } from "../control-flow.ts";
import type { GradRules } from "../rule.ts";

export const controlFlow = {
  If: "no-gradient",
  Loop: { node: backThroughSteps(loopSteps) },
  Scan: { node: backThroughSteps(scanSteps) },
} satisfies Partial<GradRules>;
