import type { GradRules } from "./rule.ts";
import { attention } from "./rules/attention.ts";
import { controlFlow } from "./rules/control-flow.ts";
import { convolution } from "./rules/convolution.ts";
import { elementwise, elementwiseSeveral } from "./rules/elementwise.ts";
import { fused } from "./rules/fused.ts";
import { gated } from "./rules/gated.ts";
import { imaging } from "./rules/imaging.ts";
import { indexing } from "./rules/indexing.ts";
import { linear } from "./rules/linear.ts";
import { losses } from "./rules/losses.ts";
import { normalization } from "./rules/normalization.ts";
import { pooling } from "./rules/pooling.ts";
import { quantized } from "./rules/quantized.ts";
import { random } from "./rules/random.ts";
import { recurrent } from "./rules/recurrent.ts";
import { reductions } from "./rules/reductions.ts";
import { signal } from "./rules/signal.ts";
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
  ...attention,
  ...fused,
  ...imaging,
  ...gated,
  ...indexing,
  ...quantized,
  ...random,
  ...recurrent,
  ...controlFlow,
  ...signal,
};
