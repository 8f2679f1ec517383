import { entryOf } from "../../base/entry-of.ts";
import type { GraphBuilder } from "../builder.ts";
import type { Node, Value } from "../ir.ts";
import { noExpansion } from "./expansion.ts";

type Activation = (g: GraphBuilder, x: Value, ...parameters: (number | undefined)[]) => Value;

/** The functions that a fused operator applies to its result; a parameter that is not given has the function's default. */
const activations: { readonly [name: string]: Activation } = {
  Relu: (g, x) => g.op("Relu", [x]),
  Sigmoid: (g, x) => g.op("Sigmoid", [x]),
  Tanh: (g, x) => g.op("Tanh", [x]),
  Softplus: (g, x) => g.op("Softplus", [x]),
  Softsign: (g, x) => g.op("Softsign", [x]),
  LeakyRelu: (g, x, alpha) => g.op("LeakyRelu", [x], { alpha }),
  Elu: (g, x, alpha) => g.op("Elu", [x], { alpha }),
  ThresholdedRelu: (g, x, alpha) => g.op("ThresholdedRelu", [x], { alpha }),
  HardSigmoid: (g, x, alpha, beta) => g.op("HardSigmoid", [x], { alpha, beta }),
  Clip: (g, x, low, high) => {
    const bound = (value: number | undefined) => (value === undefined ? undefined : g.scalar(value, x));
    return g.op("Clip", [x, bound(low), bound(high)]);
  },
};

/** x through the function a fused operator names; "" is none. */
export function activated(
  g: GraphBuilder,
  node: Node,
  x: Value,
  name: string,
  parameters: readonly (number | undefined)[],
): Value {
  if (name === "") return x;
  const activation = entryOf(activations, name) ?? noExpansion(node, `its activation "${name}" is not known`);
  return activation(g, x, ...parameters);
}
