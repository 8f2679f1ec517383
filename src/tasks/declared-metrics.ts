import { bug } from "../base/errors.ts";
import type { Graph, Value } from "../graph/ir.ts";
import { sizeOf } from "../graph/tensor.ts";
import { type Declared, numberOption, parseDeclared } from "./declared.ts";
import type { ReadArray } from "./declared-loss.ts";
import {
  type ArrayInfo,
  arrayOf,
  type Fit,
  fitClasses,
  fitMask,
  fitNumbers,
  fitShares,
  outputOf,
  rowOf,
} from "./target.ts";

/** Numbers row by row, on the host. */
type Numbers = ArrayLike<number | bigint>;

/** A metric under way: outputs and targets of one batch after the other. */
interface Tally {
  /** `weights`: how much the element at a place counts; of class metrics the place without the axis of the classes. */
  add(output: Numbers, target: Numbers, examples: number, weights: (place: number) => number): void;
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
  mae: { options: ["mask"], mode: "min", fit: fitNumbers, start: () => meanOf((error) => Math.abs(error)) },
  /** Root of the mean squared error. */
  rmse: {
    options: ["mask"],
    mode: "min",
    fit: fitNumbers,
    start: () => meanOf((error) => error * error, Math.sqrt),
  },
  /** Coefficient of determination, averaged over the numbers of an example; scikit-learn's `r2_score`. */
  r2: { options: [], mode: "max", fit: fitNumbers, start: (_, row) => determination(sizeOf(row)) },
  /** Share of right answers: of classes, or with `threshold` of yes and no. */
  accuracy: {
    options: ["threshold", "ignore", "axis", "mask"],
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
  /** The array that says how much each element counts. */
  readonly mask?: ReadArray;
  start(): MetricTally;
}

/** A metric under way; `mask`: rows of its array, where it has one. */
export interface MetricTally {
  add(output: Numbers, target: Numbers, examples: number, mask?: Numbers): void;
  /** Undefined where nothing was counted. */
  value(): number | undefined;
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
      ...maskOf(one, names[i]!, output, size, fit, arrays, () => row.start(one, size, fit)),
    };
  });
}

/** The mask of a metric, and its tally by it. */
function maskOf(
  declared: Declared,
  name: string,
  output: Value,
  row: readonly number[],
  { classAxis }: Fit,
  arrays: ReadonlyMap<string, ArrayInfo>,
  start: () => Tally,
): Pick<DeclaredMetric, "mask" | "start"> {
  const array = declared.options["mask"];
  if (array === undefined)
    return {
      start() {
        const tally = start();
        const add: MetricTally["add"] = (given, target, examples) =>
          tally.add(given, target, examples, () => 1);
        return { add, value: tally.value };
      },
    };
  const places = row.filter((_, i) => i + 1 !== classAxis);
  const at = placesInMask(places, fitMask(declared, output, places, array, arrays));
  const size = sizeOf(arrays.get(array)!.dims);
  return {
    mask: { array, input: `${name} by ${array}`, dtype: "float32" },
    start() {
      const tally = start();
      return {
        add(given, target, examples, mask) {
          const numbers = mask ?? bug(`the metric "${name}" was not given its mask`);
          const weights = (place: number) =>
            Number(numbers[Math.floor(place / at.length) * size + at[place % at.length]!]);
          tally.add(given, target, examples, weights);
        },
        value: tally.value,
      };
    },
  };
}

/** For each element of `row` the element of a mask whose sizes are those of `row`, or 1. */
function placesInMask(row: readonly number[], mask: readonly number[]): Int32Array {
  const steps = mask.map((dim, axis) => (dim === 1 ? 0 : sizeOf(mask.slice(axis + 1))));
  return Int32Array.from({ length: sizeOf(row) }, (_, place) =>
    steps.reduce(
      (sum, step, axis) => sum + step * (Math.floor(place / sizeOf(row.slice(axis + 1))) % row[axis]!),
      0,
    ),
  );
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
    add(output, target, _, weights) {
      for (let i = 0; i < output.length; i++) {
        const weight = weights(i);
        // What does not count may be anything, even no number.
        if (weight !== 0) sum += weight * of(Number(output[i]) - Number(target[i]));
        count += weight;
      }
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

function share(): { count(isRight: boolean, weight: number): void; value(): number | undefined } {
  let right = 0;
  let all = 0;
  return {
    count(isRight, weight) {
      if (isRight) right += weight;
      all += weight;
    },
    value: () => (all === 0 ? undefined : right / all),
  };
}

/** Yes where an output reaches the threshold, against targets of one half or more. */
function answers(declared: Declared): Tally {
  const threshold = numberOption(declared, "threshold", 0, () => true, "a number");
  const tally = share();
  return {
    add(output, target, _, weights) {
      for (let i = 0; i < output.length; i++)
        tally.count(Number(output[i]) >= threshold === Number(target[i]) >= 0.5, weights(i));
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
    add(output, target, examples, weights) {
      for (let place = 0; place < examples * outer * inner; place++) {
        const start = Math.floor(place / inner) * count * inner + (place % inner);
        const label = dtype === "int64" ? Number(target[place]) : largest(target, start);
        if (dtype !== "int64" || label !== allowed?.also)
          tally.count(largest(output, start) === label, weights(place));
      }
    },
    value: tally.value,
  };
}
