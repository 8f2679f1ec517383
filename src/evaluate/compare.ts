import { DiapasonError } from "../base/errors.ts";
import type { ClassificationMetrics } from "../tasks/classification-metrics.ts";

/** A prediction as far as comparing needs it. */
export interface JudgedPrediction {
  readonly id: string;
  readonly label: number;
  readonly predicted: number;
}

/** One metric before and after, with the direction that is better. */
export interface MetricChange {
  readonly metric: "accuracy" | "top5" | "macroF1" | "nll" | "ece";
  readonly before: number;
  readonly after: number;
  readonly better: boolean;
}

export interface Comparison {
  readonly changes: readonly MetricChange[];
  readonly mcnemar: McNemar;
}

/** Exact McNemar test on examples that exactly one of two models gets right. */
export interface McNemar {
  /** Right before, wrong after. */
  readonly lost: number;
  /** Wrong before, right after. */
  readonly gained: number;
  /** Two-sided probability of a split at least this uneven if both were equally good. */
  readonly pValue: number;
}

/** What changed between two evaluations of the same examples. */
export function compareEvaluations(
  before: { readonly metrics: ClassificationMetrics; readonly predictions: readonly JudgedPrediction[] },
  after: { readonly metrics: ClassificationMetrics; readonly predictions: readonly JudgedPrediction[] },
): Comparison {
  const changes: MetricChange[] = [];
  for (const metric of ["accuracy", "top5", "macroF1", "nll", "ece"] as const) {
    const [a, b] = [before.metrics[metric], after.metrics[metric]];
    if (a === undefined || b === undefined) continue;
    const smallerIsBetter = metric === "nll" || metric === "ece";
    changes.push({ metric, before: a, after: b, better: smallerIsBetter ? b < a : b > a });
  }
  return { changes, mcnemar: mcnemarTest(before.predictions, after.predictions) };
}

/**
 * McNemar's exact test: p = 2 · P(X ≤ min(lost, gained)), X ~ Binomial(lost + gained, ½), at most 1.
 *
 * Source: McNemar 1947; exact form as in statsmodels' `mcnemar(exact=True)`.
 * @throws evaluate/unpaired-predictions when the lists are not about the same examples.
 */
export function mcnemarTest(
  before: readonly JudgedPrediction[],
  after: readonly JudgedPrediction[],
): McNemar {
  const earlier = new Map(before.map((prediction) => [prediction.id, prediction]));
  const odd = after.find((prediction) => earlier.get(prediction.id)?.label !== prediction.label);
  if (odd || before.length !== after.length)
    throw new DiapasonError(
      "evaluate/unpaired-predictions",
      odd
        ? `The example "${odd.id}" is missing from one list, or has another label there.`
        : `One list has ${before.length} predictions, the other ${after.length}.`,
      "Evaluate both models on the same split with the same classes.",
    );
  let lost = 0;
  let gained = 0;
  for (const prediction of after) {
    const was = earlier.get(prediction.id)!;
    const wasRight = was.predicted === was.label;
    const isRight = prediction.predicted === prediction.label;
    if (wasRight && !isRight) lost++;
    if (!wasRight && isRight) gained++;
  }
  return { lost, gained, pValue: signTest(lost, gained) };
}

/** The exact two-sided sign test: how likely a split at least this uneven is where both sides are equally likely. */
export const signTest = (a: number, b: number): number =>
  Math.min(1, 2 * binomialHalfTail(Math.min(a, b), a + b));

/** P(X ≤ k) for X ~ Binomial(n, ½), summed in logarithms so that large n does not underflow. */
function binomialHalfTail(k: number, n: number): number {
  let logTerm = -n * Math.LN2;
  let tail = Math.exp(logTerm);
  for (let i = 1; i <= k; i++) {
    logTerm += Math.log(n - i + 1) - Math.log(i);
    tail += Math.exp(logTerm);
  }
  return tail;
}
