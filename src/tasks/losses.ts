import { type GraphBuilder, range, rankOf } from "../graph/builder.ts";
import type { Value } from "../graph/ir.ts";

/** How the losses of many elements become one number. */
export type LossReduction = "mean" | "sum" | "none";

/** One number from an array of losses; "none" keeps the array. */
function reduced(g: GraphBuilder, losses: Value, reduction: LossReduction): Value {
  if (reduction === "none") return losses;
  const axes = range(rankOf(losses));
  return reduction === "sum" ? g.sum(losses, axes) : g.mean(losses, axes);
}

/**
 * Cross-entropy against distributions, in nats.
 *
 * logits, targets: [batch, classes, ...]; the targets of an example sum to 1. Result: scalar, or [batch, ...] with
 * reduction "none".
 */
export function softmaxCrossEntropy(
  g: GraphBuilder,
  logits: Value,
  targets: Value,
  { reduction = "mean" }: { readonly reduction?: LossReduction } = {},
): Value {
  const log = g.op("LogSoftmax", [logits], { axis: 1 });
  return reduced(g, g.neg(g.sum(g.mul(targets, log), [1])), reduction);
}

export interface LabelOptions {
  /** This label does not count; −100 by default, as in PyTorch. */
  readonly ignoreIndex?: number;
  /** [classes]: how much each class counts; a mean is divided by the weights of the labels. */
  readonly weights?: Value;
  /** Share of the target spread evenly over all classes, 0 ≤ s < 1. */
  readonly smoothing?: number;
  readonly reduction?: LossReduction;
}

/**
 * Cross-entropy against class numbers, in nats, equal to PyTorch's `cross_entropy` with the same options.
 *
 * logits: [batch, classes, ...], unnormalised. labels: int64 [batch, ...]. Result: scalar, or [batch, ...] with reduction
 * "none". With smoothing s the target is (1 − s) at the label and s / classes everywhere (Szegedy et al. 2016, §7).
 */
export function labelCrossEntropy(
  g: GraphBuilder,
  logits: Value,
  labels: Value,
  { ignoreIndex = -100, weights, smoothing = 0, reduction = "mean" }: LabelOptions = {},
): Value {
  const options = { ignore_index: ignoreIndex };
  const labelled = weights ? [labels, weights] : [labels];
  if (smoothing === 0)
    return g.op("SoftmaxCrossEntropyLoss", [logits, ...labelled], { ...options, reduction });
  const log = g.op("LogSoftmax", [logits], { axis: 1 });
  const atLabel = g.op("NegativeLogLikelihoodLoss", [log, ...labelled], { ...options, reduction: "none" });
  const counts = g.cast(g.op("Not", [g.equal(labels, ignoreIndex)]), logits);
  const weighted = weights ? g.mul(log, g.unsqueeze(weights, range(1, rankOf(logits) - 1))) : log;
  const everywhere = g.mul(counts, g.neg(g.mean(weighted, [1])));
  const losses = g.add(g.mul(1 - smoothing, atLabel), g.mul(smoothing, everywhere));
  if (reduction !== "mean") return reduced(g, losses, reduction);
  const safe = g.where(g.equal(labels, ignoreIndex), 0, labels);
  const counted = weights ? g.mul(counts, g.op("Gather", [weights, safe])) : counts;
  return g.div(reduced(g, losses, "sum"), reduced(g, counted, "sum"));
}

/**
 * Cross-entropy of independent yes-or-no answers: softplus(x) − x·t, in nats.
 *
 * logits: any shape. targets: the same shape, 0…1. `positiveWeight`: how much a yes counts, broadcast to the logits.
 */
export function binaryCrossEntropy(
  g: GraphBuilder,
  logits: Value,
  targets: Value,
  options: { readonly positiveWeight?: Value; readonly reduction?: LossReduction } = {},
): Value {
  const { positiveWeight, reduction = "mean" } = options;
  const plain = g.sub(g.op("Softplus", [logits]), g.mul(logits, targets));
  if (!positiveWeight) return reduced(g, plain, reduction);
  // t·w·softplus(−x) + (1 − t)·softplus(x), of which the plain loss is the case w = 1
  const ofYes = g.mul(targets, g.op("Softplus", [g.neg(logits)]));
  return reduced(g, g.add(plain, g.mul(g.sub(positiveWeight, 1), ofYes)), reduction);
}

/** (prediction − target)², averaged over all elements by default. */
export const mse = (
  g: GraphBuilder,
  predictions: Value,
  targets: Value,
  reduction: LossReduction = "mean",
): Value => reduced(g, g.square(g.sub(predictions, targets)), reduction);

/** |prediction − target|, averaged over all elements by default. */
export const l1 = (
  g: GraphBuilder,
  predictions: Value,
  targets: Value,
  reduction: LossReduction = "mean",
): Value => reduced(g, g.abs(g.sub(predictions, targets)), reduction);

/**
 * ½·e² up to |e| = delta, then delta·(|e| − ½·delta): PyTorch's `huber_loss` (Huber 1964).
 *
 * `delta`: above 0, in the unit of the targets.
 */
export function huber(
  g: GraphBuilder,
  predictions: Value,
  targets: Value,
  { delta = 1, reduction = "mean" }: { readonly delta?: number; readonly reduction?: LossReduction } = {},
): Value {
  const error = g.abs(g.sub(predictions, targets));
  const inner = g.min(error, delta);
  // with c = min(|e|, delta): c·(|e| − ½·c) is both pieces
  return reduced(g, g.mul(inner, g.sub(error, g.mul(0.5, inner))), reduction);
}
