import type { OpName } from "../schemas.ts";
import { elementwise } from "./elementwise.ts";
import { elementwiseSeveral } from "./elementwise-several.ts";
import type { Kernel } from "./kernel.ts";
import { linear } from "./linear.ts";
import { reduction } from "./reduction.ts";
import { structure } from "./structure.ts";

/** The float64 reference kernel of every operator. */
export const kernels = {
  ...elementwise,
  ...elementwiseSeveral,
  ...linear,
  ...structure,
  ...reduction,
} as unknown as { readonly [N in OpName]: Kernel<N> };
