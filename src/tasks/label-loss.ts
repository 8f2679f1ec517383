import { GraphBuilder } from "../graph/builder.ts";
import type { Graph, Value } from "../graph/ir.ts";
import { binaryCrossEntropy, mse, softmaxCrossEntropy } from "./losses.ts";
import { addWeightedLoss, type WeightedLoss } from "./weighted-loss.ts";

/** What the outputs of a model mean: one class of several, any number of classes, or numbers. */
export type LabelKind = "class" | "classes" | "number";

/** transformers' `problem_type` of each kind. */
export const problemTypes: { readonly [K in LabelKind]: string } = {
  class: "single_label_classification",
  classes: "multi_label_classification",
  number: "regression",
};

/** The loss of each example, [batch], from outputs and targets [batch, outputs]. */
const perExample: { readonly [K in LabelKind]: (g: GraphBuilder, logits: Value, targets: Value) => Value } = {
  class: (g, logits, targets) => softmaxCrossEntropy(g, logits, targets, { reduction: "none" }),
  classes: (g, logits, targets) => g.mean(binaryCrossEntropy(g, logits, targets, { reduction: "none" }), [1]),
  number: (g, logits, targets) => g.mean(mse(g, logits, targets, "none"), [1]),
};

/**
 * Appends the loss of labels as transformers has it for a `problem_type`: cross-entropy against a distribution, binary
 * cross-entropy averaged over the classes, or squared error.
 *
 * logits: [batch, outputs]. Adds the input `targets` float32 [batch, outputs]: shares that sum to 1, 0 or 1 for each class, or
 * the numbers themselves.
 */
export function attachLabelLoss(
  graph: Graph,
  logits: Value,
  kind: LabelKind,
): WeightedLoss & { readonly targets: string } {
  const [batch = "batch", outputs = "outputs"] = logits.shape ?? [];
  const targets = graph.addInput(graph.freshName("targets"), "float32", [batch, outputs]);
  const losses = perExample[kind](new GraphBuilder(graph), logits, targets);
  return { ...addWeightedLoss(graph, losses), targets: targets.name };
}
