import type { McNemar } from "../../evaluate/compare.ts";
import type { Evaluation } from "../../evaluate/evaluate.ts";
import type { ClassificationMetrics } from "../../tasks/classification-metrics.ts";
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
  return worst.map(({ id, label, predicted, probability }) => ({
    id,
    label: classes[label]!,
    predicted: classes[predicted]!,
    probability,
    ...shown.get(id),
  }));
}

export function scoresOf({ metrics }: Evaluation): Scores {
  const { examples, accuracy, accuracyInterval, macroF1, nll, ece } = metrics;
  const byName = { accuracy, macroF1, loss: nll };
  return { examples, metrics: byName, accuracy, accuracyInterval, macroF1, nll, ece };
}
