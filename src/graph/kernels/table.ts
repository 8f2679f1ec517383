import type { CompositeName } from "../expansions/expand.ts";
import type { OpName } from "../schemas.ts";
import { alongAxis } from "./along-axis.ts";
import { controlFlow } from "./control-flow.ts";
import { elementwise } from "./elementwise.ts";
import { elementwiseSeveral } from "./elementwise-several.ts";
import { indexing } from "./indexing.ts";
import type { Kernel } from "./kernel.ts";
import { linear } from "./linear.ts";
import { losses } from "./losses.ts";
import { normalization } from "./normalization.ts";
import { quantized } from "./quantized.ts";
import { random } from "./random.ts";
import { reduction } from "./reduction.ts";
import { signal } from "./signal.ts";
import { structure } from "./structure.ts";
import { windows } from "./windows.ts";

/**
 * The float64 reference kernel of every operator that has no expansion; total, so that a new one without a kernel does not
 * compile.
 */
export const kernels: { readonly [N in Exclude<OpName, CompositeName>]: Kernel<N> } = {
  ...elementwise,
  ...elementwiseSeveral,
  ...linear,
  ...structure,
  ...indexing,
  ...alongAxis,
  ...reduction,
  ...normalization,
  ...windows,
  ...losses,
  ...signal,
  ...quantized,
  ...random,
  ...controlFlow,
};
