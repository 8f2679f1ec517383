import { bug, DiapasonError } from "../../base/errors.ts";
import type { Graph, Node } from "../ir.ts";
import { partText } from "../node-text.ts";
import type { AttributesOf, OpName } from "../schemas.ts";
import type { NdArray } from "./nd-array.ts";

/** One application of an operator to arrays. */
export interface Call<N extends OpName> {
  /** The node, its inputs standing with the shapes of the arrays. */
  readonly node: Node;
  readonly inputs: readonly (NdArray | undefined)[];
  /** Defaults filled in, axes non-negative for the first input's rank. */
  readonly attributes: AttributesOf<N>;
  readonly run: RunBody;
}

/** Computes a body of the node: its inputs by name in, its outputs in order out. */
export type RunBody = (body: Graph, feeds: ReadonlyMap<string, NdArray>) => readonly NdArray[];

/** Computes every output of an operator in float64; outputs that are not made are left out. */
export type Kernel<N extends OpName> = (call: Call<N>) => readonly (NdArray | undefined)[];

/** A family of the kernel table. */
export type Kernels = { readonly [N in OpName]?: Kernel<N> };

/** A required input. */
export const required = ({ node, inputs }: Pick<Call<OpName>, "node" | "inputs">, index: number): NdArray =>
  inputs[index] ?? bug(`${node.op} "${node.name}" runs without its input ${index}`);

/** Axes that an input names, counted from the front of `rank` axes; undefined when the input is absent. */
export function axesOf(input: NdArray | undefined, rank: number): number[] | undefined {
  return input && Array.from(input.data, (axis) => axisWithin(axis, rank));
}

/** An axis counted from the front. @throws graph/bad-index when there is no such axis. */
export function axisWithin(axis: number, rank: number): number {
  const fromFront = axis < 0 ? axis + rank : axis;
  if (fromFront >= 0 && fromFront < rank) return fromFront;
  throw new DiapasonError(
    "graph/bad-index",
    `Axis ${axis} is asked for, the array has ${rank} axes.`,
    `Name an axis from ${-rank} to ${rank - 1}.`,
  );
}

/** An index counted from the front. @throws graph/bad-index when it is outside the axis. */
export function indexWithin(index: number, size: number, op: string): number {
  const fromFront = index < 0 ? index + size : index;
  if (fromFront >= 0 && fromFront < size) return fromFront;
  throw new DiapasonError(
    "graph/bad-index",
    `${op} reads index ${index} of an axis of size ${size}.`,
    "Check the values fed to the index input against the size of the table they index.",
  );
}

export const sameDims = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((size, axis) => size === b[axis]);

export const shapeMismatch = (op: string, what: string, fix: string): never => {
  throw new DiapasonError("graph/shape-mismatch", `${op}: ${what}.`, fix);
};

/** Refuses what the reference kernels do not compute. */
export const unsupported = (node: Node, what: string): never => {
  throw new DiapasonError(
    "graph/no-kernel",
    `The reference interpreter cannot compute ${partText(node)}: it ${what}.`,
    "Normalise the graph first, or run it with a runtime instead of the interpreter.",
  );
};
