import { type GraphBuilder, range } from "../graph/builder.ts";
import type { Value } from "../graph/ir.ts";

/** Losses of single elements, [batch, …], and how much each counts where not all do alike. */
export interface Elements {
  readonly losses: Value;
  readonly counts?: Value;
}

/** A loss in parts that add up over batches: Σ over terms of factor · sum / count. */
export interface LossParts {
  /** Output [terms, 2]: of each term the sum over the batch's elements, and how many there were. */
  readonly sums: string;
  readonly factors: readonly number[];
  /** Output [batch]: the loss of each example. */
  readonly perExample: string;
}

/** A term of a loss over a batch: the sum of its elements' losses, how many there were, and the mean of each example. */
interface TermSums {
  readonly sum: Value;
  readonly count: Value;
  /** [batch] */
  readonly perExample: Value;
}

/** Keeps a batch in which nothing counts from dividing by 0. */
const smallest = 1e-12;

/** Sum and count over the batch with its weights, float32 [batch], and the mean of each example. */
export function sumsOf(g: GraphBuilder, { losses, counts }: Elements, weights: Value): TermSums {
  const axes = range(1, losses.shape!.length);
  const weighted = (value: Value) => g.sum(g.mul(weights, value), [0]);
  if (!counts) {
    const perExample = g.mean(losses, axes);
    return { sum: weighted(perExample), count: g.sum(weights, [0]), perExample };
  }
  const [sum, count] = [g.sum(losses, axes), g.sum(counts, axes)];
  return { sum: weighted(sum), count: weighted(count), perExample: g.div(sum, g.max(count, smallest)) };
}

/** Makes the graph give Σ over terms of factor · sum / count, and what that is made of. */
export function addUp(
  g: GraphBuilder,
  terms: readonly TermSums[],
  factors: readonly number[],
): { readonly loss: string; readonly parts: LossParts } {
  const scaled = (values: readonly Value[]) =>
    values.map((value, i) => (factors[i] === 1 ? value : g.mul(factors[i]!, value)));
  const total = (values: readonly Value[]) => scaled(values).reduce((a, b) => g.add(a, b));
  const loss = total(terms.map(({ sum, count }) => g.div(sum, g.max(count, smallest))));
  const perExample = total(terms.map((term) => term.perExample));
  const pairs = terms.flatMap(({ sum, count }) => [g.unsqueeze(sum, [0]), g.unsqueeze(count, [0])]);
  const sums = g.reshape(g.concat(pairs, 0), [terms.length, 2]);
  return {
    loss: named(g, loss, "loss"),
    parts: { sums: named(g, sums, "loss.sums"), perExample: named(g, perExample, "loss.examples"), factors },
  };
}

/** Makes a value an output under a name of its own. */
function named({ graph }: GraphBuilder, value: Value, name: string): string {
  graph.addOutput(value);
  graph.rename(value, graph.freshName(name));
  return value.name;
}
