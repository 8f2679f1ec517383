import type { Graph, Value } from "../graph/ir.ts";
import { sizeOf } from "../graph/tensor.ts";
import { type Declared, numberOption, parseDeclared } from "./declared.ts";
import type { ReadArray } from "./declared-loss.ts";
import {
  type ArrayInfo,
  arrayOf,
  type Fit,
  fitClasses,
  fitNumbers,
  fitShares,
  outputOf,
  rowOf,
} from "./target.ts";

/** Numbers row by row, on the host. */
type Numbers = ArrayLike<number | bigint>;

/** A metric under way: outputs and targets of one batch after the other. */
interface Tally {
  add(output: Numbers, target: Numbers, examples: number): void;
  /** Undefined where nothing was counted. */
  value(): number | undefined;
}

interface MetricRow {
  readonly options: readonly string[];
  readonly mode: "max" | "min";
  /** Values are shares, shown as percent. */
  readonly isShare?: boolean;
  /** @throws tasks/loss-shape */
  fit(declared: Declared, output: Value, array: ArrayInfo): Fit;
  start(declared: Declared, row: readonly number[], fit: Fit): Tally;
}

const metricRows = {
  /** Mean absolute error. */
  mae: { options: [], mode: "min", fit: fitNumbers, start: () => meanOf((error) => Math.abs(error)) },
  /** Root of the mean squared error. */
  rmse: {
    options: [],
    mode: "min",
    fit: fitNumbers,
    start: () => meanOf((error) => error * error, Math.sqrt),
  },
  /** Coefficient of determination, averaged over the numbers of an example; scikit-learn's `r2_score`. */
  r2: { options: [], mode: "max", fit: fitNumbers, start: (_, row) => determination(sizeOf(row)) },
  /** Share of right answers: of classes, or with `threshold` of yes and no. */
  accuracy: {
    options: ["threshold", "ignore", "axis"],
    mode: "max",
    isShare: true,
    fit: (declared, output, array) =>
      "threshold" in declared.options
        ? fitShares(declared, output, array)
        : fitClasses(declared, output, array),
    start: (declared, row, fit) => ("threshold" in declared.options ? answers(declared) : classes(row, fit)),
  },
} satisfies { readonly [name: string]: MetricRow };

export type MetricKind = keyof typeof metricRows;
const rows: Readonly<Record<MetricKind, MetricRow>> = metricRows;

/** Reads declared metrics. @throws tasks/bad-declaration */
export const parseMetrics = (texts: readonly string[]): readonly Declared<MetricKind>[] =>
  texts.flatMap((text) => parseDeclared(text, metricRows, "metric"));

/** A declared metric, found to fit a model and its data. */
export interface DeclaredMetric {
  readonly name: string;
  readonly mode: "max" | "min";
  readonly isShare: boolean;
  readonly output: string;
  /** The array that its outputs are compared with; `input` is a name of its own for it. */
  readonly target: ReadArray;
  start(): Tally;
}

/**
 * Declared metrics as they fit a graph and the data's arrays.
 * @throws tasks/unknown-output, tasks/bad-output, tasks/unknown-array, tasks/loss-shape
 */
export function resolveMetrics(
  graph: Graph,
  declared: readonly Declared<MetricKind>[],
  arrays: ReadonlyMap<string, ArrayInfo>,
): readonly DeclaredMetric[] {
  const names = namesOf(declared);
  return declared.map((one, i) => {
    const output = outputOf(graph, one);
    const array = arrayOf(arrays, one.target, one);
    const row = rows[one.kind];
    const fit = row.fit(one, output, array);
    const size = rowOf(output)!;
    const allowed = fit.allowed && { allowed: fit.allowed };
    return {
      name: names[i]!,
      mode: row.mode,
      isShare: row.isShare ?? false,
      output: output.name,
      target: { array: one.target, input: `${names[i]} of ${one.target}`, dtype: fit.dtype, ...allowed },
      start: () => row.start(one, size, fit),
    };
  });
}

/** "mae", or "mae:OUTPUT" where there are several, or the whole text where that does not tell them apart. */
function namesOf(declared: readonly Declared[]): readonly string[] {
  const forms = [
    ({ kind }: Declared) => kind,
    ({ kind, output }: Declared) => `${kind}:${output}`,
    ({ text }: Declared) => text,
  ];
  return declared.map((one) =>
    (forms.find((form) => declared.filter((other) => form(other) === form(one)).length === 1) ?? forms[2]!)(
      one,
    ),
  );
}

/** The mean of a function of each error. */
function meanOf(of: (error: number) => number, finish = (mean: number) => mean): Tally {
  let sum = 0;
  let count = 0;
  return {
    add(output, target) {
      for (let i = 0; i < output.length; i++) sum += of(Number(output[i]) - Number(target[i]));
      count += output.length;
    },
    value: () => (count === 0 ? undefined : finish(sum / count)),
  };
}

/** 1 − Σ(t − y)² / Σ(t − mean t)² of each column, averaged; a column that never changes is 1 when it is met, else 0. */
function determination(columns: number): Tally {
  let rowsSeen = 0;
  const first = new Float64Array(columns);
  const errors = new Float64Array(columns);
  // Of the distance to the first target, so that large targets do not cancel.
  const sums = new Float64Array(columns);
  const squares = new Float64Array(columns);
  return {
    add(output, target, examples) {
      for (let i = 0; i < examples * columns; i++) {
        const column = i % columns;
        const t = Number(target[i]);
        if (rowsSeen === 0 && i < columns) first[column] = t;
        const shifted = t - first[column]!;
        sums[column]! += shifted;
        squares[column]! += shifted * shifted;
        errors[column]! += (t - Number(output[i])) ** 2;
      }
      rowsSeen += examples;
    },
    value() {
      if (rowsSeen < 2) return undefined;
      let total = 0;
      for (let c = 0; c < columns; c++) {
        const spread = squares[c]! - sums[c]! ** 2 / rowsSeen;
        if (spread > 0) total += 1 - errors[c]! / spread;
        else total += errors[c] === 0 ? 1 : 0;
      }
      return total / columns;
    },
  };
}

function share(): { count(isRight: boolean): void; value(): number | undefined } {
  let right = 0;
  let all = 0;
  return {
    count(isRight) {
      if (isRight) right++;
      all++;
    },
    value: () => (all === 0 ? undefined : right / all),
  };
}

/** Yes where an output reaches the threshold, against targets of one half or more. */
function answers(declared: Declared): Tally {
  const threshold = numberOption(declared, "threshold", 0, () => true, "a number");
  const tally = share();
  return {
    add(output, target) {
      for (let i = 0; i < output.length; i++)
        tally.count(Number(output[i]) >= threshold === Number(target[i]) >= 0.5);
    },
    value: tally.value,
  };
}

/** The largest along the class axis against class numbers, or against the largest of a distribution. */
function classes(row: readonly number[], { dtype, classAxis = 1, allowed }: Fit): Tally {
  const count = row[classAxis - 1]!;
  const inner = sizeOf(row.slice(classAxis));
  const outer = sizeOf(row.slice(0, classAxis - 1));
  const largest = (values: Numbers, start: number) => {
    let best = 0;
    for (let c = 1; c < count; c++)
      if (Number(values[start + c * inner]) > Number(values[start + best * inner])) best = c;
    return best;
  };
  const tally = share();
  return {
    add(output, target, examples) {
      for (let place = 0; place < examples * outer * inner; place++) {
        const start = Math.floor(place / inner) * count * inner + (place % inner);
        const label = dtype === "int64" ? Number(target[place]) : largest(target, start);
        if (dtype !== "int64" || label !== allowed?.also) tally.count(largest(output, start) === label);
      }
    },
    value: tally.value,
  };
}
