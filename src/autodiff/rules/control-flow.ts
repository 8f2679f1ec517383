import { loopSteps, scanSteps } from "../../graph/steps.ts";
import { backThroughSteps } from "../control-flow.ts";
import { backThroughBranches } from "../control-flow-branches.ts";
import type { GradRules } from "../rule.ts";

export const controlFlow = {
  If: { node: backThroughBranches },
  Loop: { node: backThroughSteps(loopSteps), runsBodyOften: true },
  Scan: { node: backThroughSteps(scanSteps), runsBodyOften: true },
} satisfies Partial<GradRules>;
