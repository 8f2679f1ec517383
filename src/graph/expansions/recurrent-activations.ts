import { entryOf } from "../../base/entry-of.ts";
import type { GraphBuilder } from "../builder.ts";
import type { Node, Value } from "../ir.ts";
import { noExpansion } from "./expansion.ts";

export type Activation = (g: GraphBuilder, x: Value) => Value;

/** What an activation is made from, and how many of its two numbers it takes: those not given are `alpha` and `beta`. */
interface Kind {
  readonly takes: 0 | 1 | 2;
  readonly alpha?: number;
  readonly beta?: number;
  readonly apply: (g: GraphBuilder, x: Value, alpha: number, beta: number) => Value;
}

const kinds: { readonly [name: string]: Kind } = {
  affine: { takes: 2, alpha: 1, beta: 0, apply: (g, x, alpha, beta) => g.add(g.mul(x, alpha), beta) },
  elu: { takes: 1, alpha: 1, apply: (g, x, alpha) => g.op("Elu", [x], { alpha }) },
  hardsigmoid: {
    takes: 2,
    alpha: 0.2,
    beta: 0.5,
    apply: (g, x, alpha, beta) => g.op("HardSigmoid", [x], { alpha, beta }),
  },
  leakyrelu: { takes: 1, alpha: 0.01, apply: (g, x, alpha) => g.op("LeakyRelu", [x], { alpha }) },
  relu: { takes: 0, apply: (g, x) => g.op("Relu", [x]) },
  scaledtanh: {
    takes: 2,
    alpha: 1,
    beta: 1,
    apply: (g, x, alpha, beta) => g.mul(g.op("Tanh", [g.mul(x, beta)]), alpha),
  },
  sigmoid: { takes: 0, apply: (g, x) => g.op("Sigmoid", [x]) },
  softplus: { takes: 0, apply: (g, x) => g.op("Softplus", [x]) },
  softsign: { takes: 0, apply: (g, x) => g.op("Softsign", [x]) },
  tanh: { takes: 0, apply: (g, x) => g.op("Tanh", [x]) },
  thresholdedrelu: { takes: 1, alpha: 1, apply: (g, x, alpha) => g.op("ThresholdedRelu", [x], { alpha }) },
};

interface Given {
  readonly activations: readonly string[];
  readonly activation_alpha: readonly number[];
  readonly activation_beta: readonly number[];
}

/** The activations of each direction. Alphas and betas are handed out in order, to those that have one, as in ONNX Runtime. */
export function activationsOf(
  node: Node,
  { activations, activation_alpha, activation_beta }: Given,
  defaults: readonly string[],
  directions: number,
): readonly (readonly Activation[])[] {
  const names =
    activations.length > 0 ? activations : Array.from({ length: directions }, () => defaults).flat();
  if (names.length !== defaults.length * directions)
    return noExpansion(node, `it names ${names.length} activations for ${directions} directions`);
  const [alphas, betas] = [[...activation_alpha], [...activation_beta]];
  const made = names.map((name): Activation => {
    const kind =
      entryOf(kinds, name.toLowerCase()) ?? noExpansion(node, `its activation "${name}" is not known`);
    const alpha = (kind.takes > 0 ? alphas.shift() : undefined) ?? kind.alpha ?? 0;
    const beta = (kind.takes > 1 ? betas.shift() : undefined) ?? kind.beta ?? 0;
    return (g, x) => kind.apply(g, x, alpha, beta);
  });
  return Array.from({ length: directions }, (_, i) =>
    made.slice(i * defaults.length, (i + 1) * defaults.length),
  );
}
