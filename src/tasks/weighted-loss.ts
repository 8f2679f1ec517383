import { GraphBuilder, rankOf } from "../graph/builder.ts";
import type { Graph, Value } from "../graph/ir.ts";
import { labelCrossEntropy } from "./losses.ts";

/** Names of what a loss adds to a graph. */
export interface WeightedLoss {
  /** Scalar output. */
  readonly loss: string;
  /** Input: how much each example counts, float32 [batch]; 0 for padding. */
  readonly weights: string;
  /** Input: what the sum is multiplied by, one over what counts in a step; scalar. */
  readonly scale: string;
  /** The loss of each example, [batch]: a value inside the graph, which may be made an output. */
  readonly perExample: string;
}

/**
 * Makes a sum of losses the loss of a graph: scale · Σᵢ wᵢ · Σⱼ lossᵢⱼ.
 *
 * losses: [batch] or [batch, tokens], 0 where there is no label; or what makes them of the weights, where an example counts
 * for others too. Adds two inputs and one output.
 */
export function addWeightedLoss(graph: Graph, given: Value | ((weights: Value) => Value)): WeightedLoss {
  const g = new GraphBuilder(graph);
  const weights = graph.addInput(graph.freshName("weights"), "float32", ["batch"]);
  const losses = typeof given === "function" ? given(weights) : given;
  const scale = graph.addInput(graph.freshName("scale"), "float32", []);
  const perExample = rankOf(losses) === 1 ? losses : g.sum(losses, [1]);
  const loss = g.mul(g.sum(g.mul(weights, perExample), [0]), scale);
  graph.addOutput(loss);
  graph.rename(loss, graph.freshName("loss"));
  return { loss: loss.name, weights: weights.name, scale: scale.name, perExample: perExample.name };
}

/**
 * Cross-entropy of each token against its label, in nats; 0 where the label is −100.
 *
 * logits: [batch, tokens, classes]. labels: int64 [batch, tokens]. Result: [batch, tokens].
 */
export function tokenCrossEntropy(g: GraphBuilder, logits: Value, labels: Value, smoothing = 0): Value {
  const classes = logits.shape?.at(-1);
  const rows = g.reshape(logits, [-1, typeof classes === "number" ? classes : -1]);
  const losses = labelCrossEntropy(g, rows, g.reshape(labels, [-1]), { smoothing, reduction: "none" });
  return g.reshapeLike(losses, labels);
}
