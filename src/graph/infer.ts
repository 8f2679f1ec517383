import { fromFloat16, toFloat16 } from "../base/half.ts";
import { opNameOf } from "./attributes.ts";
import { type Dim, product, type Shape } from "./dim.ts";
import { foundByExpansion } from "./infer/by-expansion.ts";
import { setKnownDims } from "./infer/known-dims.ts";
import { Ask, type Found, type OpenShape, type ShapeRule } from "./infer/rule.ts";
import { shapeRules } from "./infer/shape-rules.ts";
import { bodiesOf, type Graph, type Node, type Value } from "./ir.ts";
import type { OpName } from "./schemas.ts";
import type { DataType } from "./tensor.ts";

export { knownNumbers } from "./infer/known-dims.ts";

/**
 * Fills in the types and shapes of every value of a graph, from the inputs on.
 *
 * Dims of inputs that have no name get one. What an operator's rule cannot tell is left to what the value said before
 * (the hints of a file), and to a new symbol where that says nothing either; the rank stays unknown where neither tells
 * it. Values computed from shapes are followed, so that a Reshape by them is known.
 * @throws graph/shape-mismatch when the shapes of an operator's inputs do not fit together.
 */
export function inferShapes(graph: Graph): void {
  for (const input of graph.inputs)
    if (!input.constant) input.shape = input.shape?.map((dim, axis) => named(dim, input, axis));
  for (const node of graph.nodes) inferNode(node);
}

/** The same for the outputs of one node, whose inputs are done. */
export function inferNode(node: Node): void {
  const name = opNameOf(node);
  if (!name) for (const body of bodiesOf(node)) inferShapes(body);
  const found = name ? ruled(node, name) : [];
  node.outputs.forEach((output, i) => {
    if (output) settle(output, found[i] ?? {});
  });
}

/** Forgets what is known of every computed value, so that stale hints do not survive a change. */
export function forgetShapes(graph: Graph): void {
  for (const node of graph.nodes) for (const output of node.outputs) if (output) output.shape = undefined;
}

function ruled<N extends OpName>(node: Node, name: N): readonly Found[] {
  const rule = (shapeRules as { readonly [name: string]: unknown })[name] as ShapeRule<N> | undefined;
  return rule ? rule(new Ask(node, name)) : foundByExpansion(node);
}

/** Writes what was found; where it is open the earlier hint counts, but never against what was found. */
function settle(value: Value, { dtype, shape, values }: Found): void {
  value.dtype = dtype ?? value.dtype;
  value.shape = merged(shape?.map(possible), value.shape)?.map((dim, axis) => named(dim, value, axis));
  // a damaged file may hint a shape that the elements do not fill
  const count = value.shape && product(value.shape);
  const fits = typeof count !== "number" || count === values?.length;
  setKnownDims(value, fits ? values?.map((dim) => held(dim, value.dtype)) : undefined);
}

/** A number as an element of a float type holds it: 10 · 0.7 is 7 in float32, and less in float64. */
function held(dim: Dim, dtype: DataType | undefined): Dim {
  if (typeof dim !== "number") return dim;
  if (dtype === "float32") return Math.fround(dim);
  return dtype === "float16" ? fromFloat16(toFloat16(dim)) : dim;
}

/** A size, or unknown where attributes that nobody meant make one that no array has. */
const possible = (dim: Dim | undefined): Dim | undefined =>
  typeof dim === "number" && !(Number.isSafeInteger(dim) && dim >= 0) ? undefined : dim;

function merged(found: OpenShape | undefined, hint: Shape | undefined): OpenShape | undefined {
  if (!found || hint?.length !== found.length) return found ?? hint;
  return found.map((dim, axis) => dim ?? hint[axis]);
}

/** A dim, or a symbol made from the value's name where there is none or the file left it open ("d0?"). */
function named(dim: Dim | undefined, value: Value, axis: number): Dim {
  if (dim !== undefined && !String(dim).endsWith("?")) return dim;
  return `${symbolFor(value.name)}.${axis}`;
}

/** A name as text that a symbol may hold; different names give different symbols. */
function symbolFor(name: string): string {
  const escaped = name.replace(/[^\w.]/g, (c) =>
    c === "/" ? "::" : `:${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return /^[A-Za-z_]/.test(escaped) ? escaped : `_:_${escaped}`;
}
