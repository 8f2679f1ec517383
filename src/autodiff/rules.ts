import type { GradRules } from "./rule.ts";
import { convolution } from "./rules/convolution.ts";
import { elementwise, elementwiseSeveral } from "./rules/elementwise.ts";
import { linear } from "./rules/linear.ts";
import { losses } from "./rules/losses.ts";
import { normalization } from "./rules/normalization.ts";
import { pooling } from "./rules/pooling.ts";
import { reductions } from "./rules/reductions.ts";
import { structure } from "./rules/structure.ts";

/** The gradient of every operator. */
export const gradRules: GradRules = {
  ...elementwise,
  ...elementwiseSeveral,
  ...linear,
  ...structure,
  ...reductions,
  ...normalization,
  ...convolution,
  ...pooling,
  ...losses,
};
