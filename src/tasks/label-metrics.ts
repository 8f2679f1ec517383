/** How a model that may name any number of classes does. Ratios over nothing are 0, as in scikit-learn. */
export interface MultiLabelMetrics {
  readonly examples: number;
  /** Share of examples whose every class is right, 0…1. */
  readonly exactMatch: number;
  /** Over all decisions together. */
  readonly microF1: number;
  /** Mean over the classes. */
  readonly macroF1: number;
  /** Mean binary cross-entropy of a decision, in nats. */
  readonly loss: number;
}

/** logits, targets (0 or 1): [classes] of each example. A class is named where its probability is above one half. */
export function multiLabelMetrics(
  logits: readonly Float32Array[],
  targets: readonly Float32Array[],
): MultiLabelMetrics {
  const classes = logits[0]?.length ?? 0;
  const counts = Array.from({ length: classes }, () => ({ hits: 0, named: 0, there: 0 }));
  let exact = 0;
  let loss = 0;
  logits.forEach((row, i) => {
    let isExact = true;
    row.forEach((logit, c) => {
      const isThere = targets[i]![c]! > 0.5;
      const isNamed = logit > 0;
      const count = counts[c]!;
      if (isThere) count.there++;
      if (isNamed) count.named++;
      if (isThere && isNamed) count.hits++;
      isExact &&= isThere === isNamed;
      loss += softplus(logit) - (isThere ? logit : 0);
    });
    if (isExact) exact++;
  });
  const f1 = ({ hits, named, there }: { hits: number; named: number; there: number }) =>
    named + there === 0 ? 0 : (2 * hits) / (named + there);
  const all = counts.reduce(
    (sum, c) => ({ hits: sum.hits + c.hits, named: sum.named + c.named, there: sum.there + c.there }),
    { hits: 0, named: 0, there: 0 },
  );
  const share = (n: number, of: number) => (of === 0 ? 0 : n / of);
  return {
    examples: logits.length,
    exactMatch: share(exact, logits.length),
    microF1: f1(all),
    macroF1: share(
      counts.reduce((sum, count) => sum + f1(count), 0),
      classes,
    ),
    loss: share(loss, logits.length * classes),
  };
}

/** log(1 + eˣ), without overflow. */
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** How predicted numbers do. */
export interface RegressionMetrics {
  readonly examples: number;
  /** Mean squared error. */
  readonly mse: number;
  /** Pearson's and Spearman's correlation, −1…1; 0 where one side does not vary. */
  readonly pearson: number;
  readonly spearman: number;
}

/** predicted, wanted: a number of each example. */
export function regressionMetrics(
  predicted: readonly number[],
  wanted: readonly number[],
): RegressionMetrics {
  const n = predicted.length;
  const mse = n === 0 ? 0 : predicted.reduce((sum, p, i) => sum + (p - wanted[i]!) ** 2, 0) / n;
  return {
    examples: n,
    mse,
    pearson: correlation(predicted, wanted),
    spearman: correlation(ranks(predicted), ranks(wanted)),
  };
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const varies = (list: readonly number[]) => list.some((x) => x !== list[0]);
  // Of equal numbers the mean may be another by the last digit, and such differences are alike.
  if (!varies(a) || !varies(b)) return 0;
  const mean = (list: readonly number[]) => list.reduce((sum, x) => sum + x, 0) / list.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  let ab = 0;
  let aa = 0;
  let bb = 0;
  a.forEach((x, i) => {
    ab += (x - meanA) * (b[i]! - meanB);
    aa += (x - meanA) ** 2;
    bb += (b[i]! - meanB) ** 2;
  });
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : 0;
}

/** Ranks from 1; equals share the mean of theirs. */
function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((i, j) => values[i]! - values[j]!);
  const result = new Array<number>(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++;
    for (let i = from; i < to; i++) result[order[i]!] = (from + 1 + to) / 2;
    from = to;
  }
  return result;
}
