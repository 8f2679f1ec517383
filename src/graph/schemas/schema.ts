/**
 * One operator, in the spelling of opset 21.
 *
 * `inputs`/`outputs`: the names in ONNX's specification; a trailing "?" marks an optional one, "*" any number.
 * `attributes`: the default of each; `ints` (empty) stands for "absent" where ONNX has no default.
 * `broadcast`: "all" where every input is broadcast to the output's shape, "matmul" where the dims before the last two
 * are: what the gradient driver undoes, so that no rule has to.
 */
export interface Schema {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: { readonly [name: string]: AttributeDefault };
  readonly broadcast?: "all" | "matmul";
  /** Input whose axes the attribute `axis` counts; the first by default. */
  readonly axisOf?: number;
  /** Whether it gives other numbers in each run, unless a seed is set or it is not training. */
  readonly draws?: true;
}
export type AttributeDefault = number | string | readonly number[] | readonly string[] | undefined;

export const ints: readonly number[] = [];
export const texts: readonly string[] = [];
/** A graph, which rules take from the node itself. */
export const body = undefined;
export const optionalInt = undefined as number | undefined;
export const unary = { inputs: ["X"], outputs: ["Y"], attributes: {} } as const;
export const binary = { inputs: ["A", "B"], outputs: ["C"], attributes: {}, broadcast: "all" } as const;
export const variadic = { inputs: ["data*"], outputs: ["Y"], attributes: {}, broadcast: "all" } as const;
export const reduction = {
  inputs: ["data", "axes?"],
  outputs: ["reduced"],
  attributes: { keepdims: 1, noop_with_empty_axes: 0 },
} as const;
export const argReduction = {
  inputs: ["data"],
  outputs: ["reduced"],
  attributes: { axis: 0, keepdims: 1, select_last_index: 0 },
} as const;
export const windows = { auto_pad: "NOTSET", dilations: ints, kernel_shape: ints, pads: ints, strides: ints };
