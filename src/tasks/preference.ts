import { GraphBuilder } from "../graph/builder.ts";
import type { Graph } from "../graph/ir.ts";
import { groupRows } from "./grouped-rows.ts";
import { addWeightedLoss, tokenCrossEntropy, type WeightedLoss } from "./weighted-loss.ts";

export interface AttachedPreference extends WeightedLoss {
  /** log p(chosen) − log p(rejected) of each example, in nats: [batch]. */
  readonly leads: string;
  /** Input: labels of both answers, int64 [batch, 2, tokens], each where its token is to be told; −100 elsewhere. */
  readonly labels: string;
  /** Input: the lead that the model had before it was tuned, float32 [batch]. */
  readonly reference: string;
}

/**
 * Direct preference optimisation: −log σ(β · (lead − reference)).
 *
 * output: logits [batch, tokens, vocabulary]. `beta`: how hard the model is held to what it was, above 0.
 * Source: Rafailov et al. 2023, eq. 7.
 */
export function attachPreference(graph: Graph, output: string, beta: number): AttachedPreference {
  groupRows(graph, 2);
  const g = new GraphBuilder(graph);
  const logits = graph.get(output);
  const labels = graph.addInput(graph.freshName("labels"), "int64", ["batch", 2, "tokens"]);
  const reference = graph.addInput(graph.freshName("reference"), "float32", ["batch"]);
  const flat = g.op("Flatten", [labels], { axis: 2 });
  flat.shape = ["rows", "tokens"];
  const losses = g.sum(tokenCrossEntropy(g, logits, flat), [1]);
  const byAnswer = g.reshape(losses, [-1, 2]);
  byAnswer.shape = ["batch", 2];
  const lossOf = (answer: number) =>
    g.op("Gather", [byAnswer, g.constant([answer], "int64", [])], { axis: 1 });
  const lead = g.sub(lossOf(1), lossOf(0));
  // a name of its own: one that is counted is another in a graph with an adapter, or another value's there
  graph.rename(lead, graph.freshName("lead"));
  const attached = addWeightedLoss(graph, g.op("Softplus", [g.mul(g.sub(lead, reference), -beta)]));
  return { ...attached, leads: lead.name, labels: labels.name, reference: reference.name };
}
