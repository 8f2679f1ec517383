/** One prediction of a classifier, on the host. */
export interface ClassPrediction {
  /** True class number. */
  readonly label: number;
  /** Probability of each class; they sum to 1. */
  readonly probabilities: ArrayLike<number>;
}

/** How one class fares. A ratio over nothing (no example, or never predicted) is 0, as in scikit-learn. */
export interface ClassScore {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Examples of this class. */
  readonly support: number;
}

export interface ClassificationMetrics {
  readonly examples: number;
  /** Share of examples whose most probable class is the true one, 0…1. */
  readonly accuracy: number;
  /** 95 % Wilson interval of the accuracy. */
  readonly accuracyInterval: readonly [low: number, high: number];
  /** Share whose true class is among the five most probable; undefined for five classes or fewer. */
  readonly top5: number | undefined;
  /** Mean of the classes' F1 over classes that occur or were predicted. */
  readonly macroF1: number;
  readonly perClass: readonly ClassScore[];
  /** `confusion[true][predicted]`: counts. */
  readonly confusion: readonly (readonly number[])[];
  /** Mean negative log-likelihood of the true class, in nats. */
  readonly nll: number;
  /** Expected calibration error over 15 bins, 0…1. */
  readonly ece: number;
}

/** Every metric of a classifier from its predictions. With no predictions all ratios are 0. */
export function classificationMetrics(
  predictions: Iterable<ClassPrediction>,
  classes: number,
): ClassificationMetrics {
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  const confidences: number[] = [];
  const correct: boolean[] = [];
  let amongFive = 0;
  let nll = 0;
  for (const { label, probabilities } of predictions) {
    const predicted = argmax(probabilities);
    confusion[label]![predicted]! += 1;
    confidences.push(probabilities[predicted]!);
    correct.push(predicted === label);
    if (rankOf(probabilities, label) < 5) amongFive++;
    nll -= Math.log(Math.max(probabilities[label]!, Number.MIN_VALUE));
  }
  const examples = correct.length;
  const share = (count: number) => (examples === 0 ? 0 : count / examples);
  const hits = correct.filter(Boolean).length;
  const perClass = confusion.map((_, c) => classScore(confusion, c));
  const seen = perClass.filter((score, c) => score.support > 0 || confusion.some((row) => row[c]! > 0));
  return {
    examples,
    accuracy: share(hits),
    accuracyInterval: wilsonInterval(hits, examples),
    top5: classes > 5 ? share(amongFive) : undefined,
    macroF1: seen.reduce((sum, score) => sum + score.f1, 0) / Math.max(1, seen.length),
    perClass,
    confusion,
    nll: share(nll),
    ece: calibrationError(confidences, correct),
  };
}

function classScore(confusion: readonly (readonly number[])[], c: number): ClassScore {
  const hits = confusion[c]![c]!;
  const support = confusion[c]!.reduce((a, b) => a + b, 0);
  const predicted = confusion.reduce((sum, row) => sum + row[c]!, 0);
  const ratio = (a: number, b: number) => (b === 0 ? 0 : a / b);
  return {
    precision: ratio(hits, predicted),
    recall: ratio(hits, support),
    f1: ratio(2 * hits, support + predicted),
    support,
  };
}

/**
 * Expected calibration error: Σ over bins of share · |accuracy − mean confidence|, bins (lo, hi] of equal width.
 *
 * Confidences 0…1; 0 falls into the first bin. Source: Guo et al. 2017, eq. 3.
 */
export function calibrationError(
  confidences: readonly number[],
  correct: readonly boolean[],
  bins = 15,
): number {
  const counts = new Float64Array(bins);
  const hits = new Float64Array(bins);
  const sums = new Float64Array(bins);
  confidences.forEach((confidence, i) => {
    const bin = Math.min(bins - 1, Math.max(0, Math.ceil(confidence * bins) - 1));
    counts[bin]! += 1;
    hits[bin]! += correct[i] ? 1 : 0;
    sums[bin]! += confidence;
  });
  let error = 0;
  for (let b = 0; b < bins; b++) error += Math.abs(hits[b]! - sums[b]!);
  return confidences.length === 0 ? 0 : error / confidences.length;
}

/** Wilson's score interval of a share. `z`: normal quantile, 1.96 for 95 %. Nothing seen: [0, 1]. Source: Wilson 1927. */
export function wilsonInterval(
  hits: number,
  trials: number,
  z = 1.959963984540054,
): [low: number, high: number] {
  if (trials === 0) return [0, 1];
  const share = hits / trials;
  const scale = 1 + (z * z) / trials;
  const centre = (share + (z * z) / (2 * trials)) / scale;
  const half = (z / scale) * Math.sqrt((share * (1 - share)) / trials + (z * z) / (4 * trials * trials));
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}

/** Probabilities of one row of logits, in float64. Infinite or missing logits give what arithmetic gives (NaN). */
export function softmax(logits: ArrayLike<number>): Float64Array {
  let largest = -Infinity;
  for (let i = 0; i < logits.length; i++) largest = Math.max(largest, logits[i]!);
  const result = Float64Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = result.reduce((a, b) => a + b, 0);
  return result.map((value) => value / sum);
}

/** Index of the largest number; the first of equals. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

/** How many classes come before `index` in descending order; equals keep their order. */
function rankOf(values: ArrayLike<number>, index: number): number {
  let before = 0;
  for (let i = 0; i < values.length; i++)
    if (values[i]! > values[index]! || (values[i] === values[index] && i < index)) before++;
  return before;
}
