import { DiapasonError, nearest } from "../base/errors.ts";
import type { Graph, Value } from "../graph/ir.ts";
import { tensorsIn } from "../graph/passes/fold-sequences.ts";
import { realSource } from "../graph/real-source.ts";
import type { DataType } from "../graph/tensor.ts";
import { type Declared, numberOption } from "./declared.ts";

/** What is known of an array of the data before it is read. */
export interface ArrayInfo {
  readonly dtype: DataType;
  /** Sizes of one example: without the first axis. */
  readonly dims: readonly number[];
}

/** How an array has to look to be compared with an output. */
export interface Fit {
  /** How its elements are fed. */
  readonly dtype: "float32" | "int64";
  /** Sizes of one example; differs from the array's by axes of size 1 at most. */
  readonly dims: readonly number[];
  /** Values that make sense; undefined where all do. */
  readonly allowed?: Allowed;
  /** The axis of the output that counts classes, where the array holds class numbers. */
  readonly classAxis?: number;
}

/** A range of values, and one more that means "leave this out". */
export interface Allowed {
  readonly from: number;
  readonly to: number;
  readonly also?: number;
  /** What the values are, for messages: "class numbers of \"logits\"". */
  readonly what: string;
}

/**
 * The output that a declaration names, or the value inside the graph of that name, such as the logits of a graph that gives
 * nothing but the choice made from them.
 * @throws tasks/unknown-output when there is neither
 */
export function findOutput(graph: Graph, { text, output }: Pick<Declared, "text" | "output">): Value {
  const inner = graph.find(output);
  const value = graph.outputs.find(({ name }) => name === output) ?? (inner?.producer ? inner : undefined);
  if (value) return value;
  const names = graph.outputs.map(({ name }) => name);
  const near = nearest(output, names);
  throw new DiapasonError(
    "tasks/unknown-output",
    `"${text}" names the output "${output}"; the model gives ${graph.outputs.map(described).join(", ")}.`,
    near ? `Did you mean "${near}"?` : `Name one of: ${names.join(", ")}.`,
  );
}

/** Whether a value holds numbers that a loss can read; those of 64 bits are rounded to float32 where they are compared. */
export const isReal = ({ dtype }: Value): boolean => dtype === "float32" || dtype === "float64";

/**
 * The same, found fit to be compared.
 * @throws tasks/unknown-output, tasks/bad-output when no example is to be told apart in it or it holds no floats
 */
export function outputOf(graph: Graph, declared: Pick<Declared, "text" | "output">): Value {
  const { text } = declared;
  const value = findOutput(graph, declared);
  const inside = value.opaqueType && tensorsIn(value)?.find(isReal);
  const source = realSource(value);
  if (!isReal(value))
    throw new DiapasonError(
      "tasks/bad-output",
      `"${text}" reads the output ${described(value)}; a gradient needs float32 or float64.`,
      inside
        ? `Name "${inside.name}", which it is made of.`
        : source
          ? `Name "${source.name}", the real numbers inside the graph that it is made from.`
          : "Name an output that holds real numbers, such as the logits or scores before they are rounded or sampled.",
    );
  if (rowOf(value)) return value;
  throw new DiapasonError(
    "tasks/bad-output",
    `"${text}" reads the output ${described(value)}; expected [batch, …] with known sizes after the batch.`,
    "Name an output whose first axis counts the examples.",
  );
}

/** Sizes of an output after the batch, or undefined where its first axis is none or a size is open. */
export function rowOf({ shape }: Value): readonly number[] | undefined {
  const [batch, ...row] = shape ?? [];
  return batch === "batch" && row.every((dim) => typeof dim === "number") ? row : undefined;
}

/** The array that a declaration names. @throws tasks/unknown-array */
export function arrayOf(
  arrays: ReadonlyMap<string, ArrayInfo>,
  name: string,
  { text }: Pick<Declared, "text">,
): ArrayInfo {
  const found = arrays.get(name);
  if (found) return found;
  const near = nearest(name, arrays.keys());
  throw new DiapasonError(
    "tasks/unknown-array",
    `"${text}" names the array "${name}"; the data hold ${[...arrays].map(([key, info]) => arrayText(key, info)).join(", ")}.`,
    /,\s*[\w-]+(\([^)]*\))?:/.test(name)
      ? 'Put " + " between losses and a space between metrics, no comma.'
      : near
        ? `Did you mean "${near}"?`
        : "Put the array into the data, or name one that they hold.",
  );
}

/** An array that is compared number by number. @throws tasks/loss-shape when its sizes are not the output's. */
export function fitNumbers(declared: Declared, output: Value, array: ArrayInfo): Fit {
  const row = rowOf(output)!;
  if (isSameBut1(row, array.dims)) return { dtype: "float32", dims: row };
  throw shapeError(declared, output, array, `[examples${row.map((size) => `, ${size}`).join("")}]`);
}

/** An array of yes and no, 0 to 1. */
export const fitShares = (declared: Declared, output: Value, array: ArrayInfo): Fit => ({
  ...fitNumbers(declared, output, array),
  allowed: { from: 0, to: 1, what: "shares" },
});

/**
 * An array of class numbers, or of distributions over the classes.
 *
 * Classes lie on axis 1 as in PyTorch, or on the last one where only that fits, or on `axis`.
 * @throws tasks/loss-shape, tasks/bad-output where there is one class
 */
export function fitClasses(declared: Declared, output: Value, array: ArrayInfo): Fit {
  const row = rowOf(output)!;
  const rank = row.length + 1;
  const isAxis = (n: number) => Number.isInteger(n) && n !== 0 && n < rank && n > -rank;
  const asked = numberOption(
    declared,
    "axis",
    0,
    isAxis,
    `an axis of ${described(output)} other than the first`,
  );
  const told = asked === 0 ? [1, rank - 1] : [asked < 0 ? asked + rank : asked];
  const axes = told.filter((axis) => row[axis - 1] !== 1);
  if (axes.length === 0)
    throw new DiapasonError(
      "tasks/bad-output",
      `"${declared.text}" reads the output ${described(output)}, which has one class: nothing is to be told apart.`,
      "For yes or no use bce, or accuracy with a threshold; for a number mse, or mae.",
    );
  const without = (axis: number) => row.filter((_, i) => i !== axis - 1);
  if (rank > 1 && isSame(row, array.dims)) {
    const classAxis = axes[0]!;
    return {
      dtype: "float32",
      dims: row,
      classAxis,
      allowed: { from: 0, to: 1, what: "shares of the classes" },
    };
  }
  const classAxis = axes.find((axis) => rank > 1 && isSameBut1(without(axis), array.dims));
  const ignored = numberOption(declared, "ignore", -100, Number.isInteger, "a whole number");
  if (classAxis !== undefined) {
    const what = `class numbers of "${output.name}"`;
    const allowed = { from: 0, to: row[classAxis - 1]! - 1, also: ignored, what };
    return { dtype: "int64", dims: without(classAxis), classAxis, allowed };
  }
  const labels = ["examples", ...without(axes[0]!)].join(", ");
  throw shapeError(
    declared,
    output,
    array,
    rank === 1
      ? "an output [batch, classes]"
      : `class numbers [${labels}] or distributions [${["examples", ...row].join(", ")}]`,
  );
}

/**
 * The sizes of a mask of one example, one for each of `row`, those of what is masked: equal, or 1 where all along an axis
 * counts alike.
 * @throws tasks/unknown-array, tasks/loss-shape
 */
export function fitMask(
  declared: Declared,
  output: Value,
  row: readonly number[],
  name: string,
  arrays: ReadonlyMap<string, ArrayInfo>,
): readonly number[] {
  const { dims, ...array } = arrayOf(arrays, name, declared);
  if (dims.length <= row.length && dims.every((size, i) => size === row[i] || size === 1))
    return row.map((_, i) => dims[i] ?? 1);
  if (isSameBut1(dims, row)) return row;
  const sizes = row.map((size) => `, ${size}`).join("");
  throw shapeError(
    { ...declared, target: name },
    output,
    { dims, ...array },
    `a mask [examples${sizes}], or its first axes alone`,
  );
}

/** Whether sizes are equal when those of 1 are left out, so that no number changes its neighbours. */
export const isSameBut1 = (a: readonly number[], b: readonly number[]): boolean =>
  isSame(
    a.filter((size) => size !== 1),
    b.filter((size) => size !== 1),
  );
const isSame = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((size, i) => size === b[i]);

export const described = ({ name, dtype, shape, opaqueType }: Value): string =>
  opaqueType
    ? `"${name}", which is no tensor (a sequence, an optional or a map)`
    : `"${name}" ${dtype ?? "of unknown type"} [${shape?.join(", ") ?? "?"}]`;

export const arrayText = (name: string, { dtype, dims }: ArrayInfo): string =>
  `"${name}" ${dtype} [${["examples", ...dims].join(", ")}]`;

/** Two shapes that cannot be compared; broadcasting one over the other would go wrong in silence. */
export const shapeError = (
  { text, target }: Declared,
  output: Value,
  array: ArrayInfo,
  expected: string,
): DiapasonError =>
  new DiapasonError(
    "tasks/loss-shape",
    `"${text}" compares ${described(output)} with the array ${arrayText(target, array)}; expected ${expected}.`,
    `Reshape "${target}" in the data, or compare it with another output.`,
  );
