import type { OpName } from "../schemas.ts";
import { elementwise } from "./elementwise.ts";
import { indexing } from "./indexing.ts";
import { linear } from "./linear.ts";
import { network } from "./network.ts";
import { reductions } from "./reduction.ts";
import type { ShapeRule } from "./rule.ts";
import { slicing } from "./slicing.ts";
import { structure } from "./structure.ts";

/** Total over the operator table: adding an operator without saying its shape does not compile. */
export const shapeRules: { readonly [N in OpName]: ShapeRule<N> } = {
  ...elementwise,
  ...linear,
  ...structure,
  ...slicing,
  ...indexing,
  ...reductions,
  ...network,
};
