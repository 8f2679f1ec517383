import type { GraphBuilder } from "../../src/graph/builder.ts";
import type { Value } from "../../src/graph/ir.ts";
import type { OpName } from "../../src/graph/schemas.ts";
import { type CaseOptions, grad } from "./grad-case.ts";

type Attributes = { readonly [key: string]: number | string | readonly number[] };
type Inputs = (g: GraphBuilder, ...given: Value[]) => readonly (Value | undefined)[];

export const row = (
  name: OpName,
  shapes: string,
  attributes: Attributes,
  inputs: Inputs,
  options: CaseOptions = {},
) => grad(shapes, (g, ...given) => g.op(name, inputs(g, ...given), attributes), options);

/** With all outputs in the loss, of which "" are left out. */
export const whole = (
  name: OpName,
  shapes: string,
  attributes: Attributes,
  outputs: readonly string[],
  inputs: Inputs,
  options: CaseOptions = {},
) =>
  grad(
    shapes,
    (g, ...given) => {
      const names = outputs.map((output) => (output === "" ? "" : g.graph.freshName(output)));
      const made = g.node(name, inputs(g, ...given), attributes, names).outputs;
      return made.filter((output) => output !== undefined);
    },
    options,
  );

export const all: Inputs = (_, ...given) => given;
const wave = (g: GraphBuilder, dims: readonly number[], by: (x: number) => number) =>
  g.constant(
    Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => Math.fround(by(0.7 * i + 0.2))),
    "float32",
    dims,
  );
export const angles = (g: GraphBuilder, dims: readonly number[]) => [
  wave(g, dims, Math.cos),
  wave(g, dims, Math.sin),
];
export const places = (g: GraphBuilder) => g.constant([0, 3, 1, 2, 2, 5], "int64", [2, 3]);
/** Sizes but the batch and the tokens made known again: [batch, tokens, width]. */
export const known = (g: GraphBuilder, x: Value, width: number) =>
  g.op("Reshape", [x, g.ints([0, 0, width])]);
export const gaps = (count: number) => new Array<undefined>(count).fill(undefined);
export const present = ["y", "k", "v"];
