import type { CompositeName } from "../expansions/expand.ts";
import type { OpName } from "../schemas.ts";
import { alongAxis } from "./along-axis.ts";
import { attention } from "./attention.ts";
import { controlFlow } from "./control-flow.ts";
import { elementwise } from "./elementwise.ts";
import { imaging } from "./imaging.ts";
import { indexing } from "./indexing.ts";
import { linear } from "./linear.ts";
import { network } from "./network.ts";
import { quantized } from "./quantized.ts";
import { random } from "./random.ts";
import { recurrent } from "./recurrent.ts";
import { reductions } from "./reduction.ts";
import type { ShapeRule } from "./rule.ts";
import { signal } from "./signal.ts";
import { slicing } from "./slicing.ts";
import { structure } from "./structure.ts";

/**
 * Total over the operators that have no expansion: adding one without saying its shape does not compile. A composite
 * operator may have a rule too, which is faster than taking it apart and tells more where sizes are symbols.
 */
export const shapeRules: { readonly [N in Exclude<OpName, CompositeName>]: ShapeRule<N> } & {
  readonly [N in CompositeName]?: ShapeRule<N>;
} = {
  ...elementwise,
  ...linear,
  ...structure,
  ...slicing,
  ...indexing,
  ...alongAxis,
  ...reductions,
  ...network,
  ...imaging,
  ...recurrent,
  ...controlFlow,
  ...signal,
  ...quantized,
  ...attention,
  ...random,
};
