import type { McNemar } from "../../evaluate/compare.ts";
import type { Evaluation, Prediction } from "../../evaluate/evaluate.ts";
import type { ClassificationMetrics } from "../../tasks/classification-metrics.ts";
import type { Mistaken } from "../judging.ts";
import type { Mistake } from "../report/report.ts";
import type { Scores } from "../tune/events.ts";
import type { RunResult } from "../tune/run-result.ts";

/** What came of tuning a classifier. */
export interface ClassifierResult extends RunResult {
  readonly classes: readonly string[];
  /** Training examples of each class. */
  readonly trainCounts: readonly number[];
  readonly before: ClassificationMetrics;
  readonly after: ClassificationMetrics;
  readonly mcnemar: McNemar;
  readonly mistakes: readonly Mistake[];
}

/** The worst mistakes of an evaluation with class names. `shown`: what an example looks like, by its id. */
export function mistakesOf(
  { worst }: Evaluation,
  classes: readonly string[],
  shown: ReadonlyMap<string, Pick<Mistake, "picture" | "text">>,
): Mistake[] {
  return worst.map((one) => ({ ...withNames(one, classes), ...shown.get(one.id) }));
}

/** A prediction by the names of its classes. */
export const withNames = (
  { id, label, predicted, probability }: Prediction,
  classes: readonly string[],
): Mistaken => ({ id, label: classes[label]!, predicted: classes[predicted]!, probability });

/** Examples from which on it is no chance that all are taken for one class. */
const fewest = 10;

/**
 * Says where a model takes every example for the same class, though they are of several: its accuracy is that class's share,
 * and looks like something learnt. `unit`: what examples are called.
 */
export function constantNotes(
  { predictions }: Evaluation,
  classes: readonly string[],
  unit: string,
): readonly string[] {
  const taken = new Set(predictions.map(({ predicted }) => predicted));
  const there = new Set(predictions.map(({ label }) => label));
  const [only] = taken;
  if (only === undefined || taken.size > 1 || there.size < 2 || predictions.length < fewest) return [];
  return [
    `The tuned model takes all ${predictions.length} held-out ${unit} for "${classes[only]}": it tells no classes apart yet. Train longer or at a higher learning rate, let more move, or look at the labels.`,
  ];
}

export function scoresOf({ metrics }: Evaluation): Scores {
  const { examples, accuracy, accuracyInterval, macroF1, nll, ece } = metrics;
  const byName = { accuracy, macroF1, loss: nll };
  return { examples, metrics: byName, accuracy, accuracyInterval, macroF1, nll, ece };
}
