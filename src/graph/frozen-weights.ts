import type { GraphBuilder } from "./builder.ts";
import { rankOf } from "./builder.ts";
import type { Graph, Value } from "./ir.ts";
import type { Tensor } from "./tensor.ts";

const key = "diapason.frozen-weights";

/**
 * Says of a graph that its weights of few bits are frozen and to be kept so: the gradient goes back through them as they
 * are stored, and never through a copy in float32.
 */
export function keepWeightsSmall(graph: Graph): void {
  graph.metadata.set(key, "small");
}

/** Whether `keepWeightsSmall` was said of a graph, or of one around it. */
export function keepsWeightsSmall(graph: Graph): boolean {
  for (let at: Graph | undefined = graph; at; at = at.outer) if (at.metadata.has(key)) return true;
  return false;
}

/** A weight the other way round, in whole numbers with a scale for each of its columns. */
export interface TurnedWeight {
  readonly whole: Tensor;
  readonly scales: Tensor;
}

const turned = new WeakMap<Tensor, TurnedWeight>();

/** Keeps with the whole numbers of a weight those of its transpose, rounded anew, for the way back. */
export const keepTurned = (weight: Tensor, other: TurnedWeight): void => {
  turned.set(weight, other);
};
export const turnedWeight = (weight: Tensor | undefined): TurnedWeight | undefined =>
  weight && turned.get(weight);

/**
 * Rows divided by their L2 norms, [..., width], and the norms, [..., 1], to which a gradient is a constant: what rounds all
 * rows with one step then loses no small one beside a large one.
 */
export function unitRows(g: GraphBuilder, x: Value): { readonly unit: Value; readonly norm: Value } {
  const norm = g.max(g.op("ReduceL2", [x, g.ints([rankOf(x) - 1])], { keepdims: 1 }), 1e-30);
  norm.detached = true;
  return { unit: g.div(x, norm), norm };
}
