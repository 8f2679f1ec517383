import { GraphBuilder } from "../graph/builder.ts";
import type { Graph, Value } from "../graph/ir.ts";
import { type ClassificationMetrics, classificationMetrics, softmax } from "./classification-metrics.ts";

/** Names of what a loss adds to a graph. */
export interface AttachedLoss {
  /** Scalar output. */
  readonly loss: string;
  /** Input: the target distribution of each example, float32 [batch, classes]. */
  readonly targets: string;
  /** Input: how much each example counts, float32 [batch]; 0 for padding. */
  readonly weights: string;
}

/** A class with its probability, 0…1. */
export interface RankedLabel {
  readonly label: string;
  readonly probability: number;
}

/** One image, one class of several. */
export const imageClassification = {
  name: "image-classification",

  /**
   * Appends softmax cross-entropy against soft targets: Σᵢ wᵢ · (−Σ_c targetᵢc · log softmax(logitsᵢ)_c) / Σᵢ wᵢ, in nats.
   *
   * logits: [batch, classes]. Weights let a loop pad its last batch to a fixed size: padding weighs 0. They must not
   * all be 0. The graph is changed in place: two inputs and one output come in.
   */
  attachLoss(graph: Graph, logits: Value): AttachedLoss {
    const [batch = "batch", classes = "classes"] = logits.shape ?? [];
    const targets = graph.addInput(graph.freshName("targets"), "float32", [batch, classes]);
    const weights = graph.addInput(graph.freshName("weights"), "float32", [batch]);
    const g = new GraphBuilder(graph);
    const logProbabilities = g.op("LogSoftmax", [logits], { axis: -1 });
    const perExample = g.neg(g.sum(g.mul(targets, logProbabilities), [1]));
    const loss = g.div(g.sum(g.mul(weights, perExample), [0]), g.sum(weights, [0]));
    graph.addOutput(loss);
    graph.rename(loss, graph.freshName("loss"));
    return { loss: loss.name, targets: targets.name, weights: weights.name };
  },

  /** Metrics from logits, [examples, classes] row by row, and class numbers, [examples]. */
  metrics(logits: Float32Array, labels: ArrayLike<number>, classes: number): ClassificationMetrics {
    const predictions = Array.from(labels, (label, i) => ({
      label,
      probabilities: softmax(logits.subarray(i * classes, (i + 1) * classes)),
    }));
    return classificationMetrics(predictions, classes);
  },

  /** The `top` most probable labels of each row of logits, most probable first. */
  decode(logits: Float32Array, labels: readonly string[], top = 5): RankedLabel[][] {
    const rows = labels.length === 0 ? 0 : logits.length / labels.length;
    return Array.from({ length: rows }, (_, i) => {
      const probabilities = softmax(logits.subarray(i * labels.length, (i + 1) * labels.length));
      return labels
        .map((label, c) => ({ label, probability: probabilities[c]! }))
        .sort((a, b) => b.probability - a.probability)
        .slice(0, top);
    });
  },
} as const;
