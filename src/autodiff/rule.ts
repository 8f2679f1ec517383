import { DiapasonError } from "../base/errors.ts";
import { opNameOf } from "../graph/attributes.ts";
import { type GraphBuilder, numbers } from "../graph/builder.ts";
import { product, symbolsOf } from "../graph/dim.ts";
import type { CompositeName } from "../graph/expansions/expand.ts";
import { inferNode } from "../graph/infer.ts";
import type { Graph, Node, Value } from "../graph/ir.ts";
import { nodeText } from "../graph/node-text.ts";
import { type AttributesOf, type OpName, type Schema, schemas } from "../graph/schemas.ts";
import type { GradientPath } from "./path.ts";

/** What a gradient rule sees of the operator it goes back through. */
export interface Backward<N extends OpName = OpName> {
  readonly g: GraphBuilder;
  readonly node: Node;
  readonly attrs: AttributesOf<N>;
  /** Gradient of the first output. */
  readonly dy: Value;
  /** Gradients of all outputs; undefined where the loss does not depend on one. */
  readonly dys: readonly (Value | undefined)[];
  /** The first output. */
  readonly y: Value;
  /** The inputs. Absent ones are undefined, which a rule that reads an optional input checks with `has`. */
  readonly x: Inputs;
  /** The input whose gradient is asked for: x[index]. */
  readonly index: number;
  has(input: number): boolean;
  /** An output of the node, which the node is made to give where it left it out. */
  output(index: number): Value;
}

/** Typed without holes, so that a rule can name the required inputs it reads. */
interface Inputs extends ReadonlyArray<Value> {
  readonly 0: Value;
  readonly 1: Value;
  readonly 2: Value;
  readonly 3: Value;
}

/** The gradient of one input; undefined when it is zero. Its shape may be one that broadcasting made larger. */
export type InputRule<N extends OpName = OpName> = (backward: Backward<N>) => Value | undefined;

/**
 * How an operator's gradient is made: one function per ONNX input, `null` for an input that has none; the last function
 * of an operator with any number of inputs stands for the rest. By default only the first output has a gradient.
 */
export type GradRule<N extends OpName = OpName> =
  | readonly (InputRule<N> | null)[]
  | {
      readonly inputs: readonly (InputRule<N> | null)[];
      /** Outputs that may carry a gradient. */
      readonly outputs: readonly number[] | "all";
      /** Its whole numbers stand for the real ones they were rounded from, whose gradient they carry. */
      readonly rounds?: true;
    }
  /** For an operator with bodies: all of its gradients at once. */
  | {
      readonly node: NodeRule;
      /** Its body runs once for each of many steps. */
      readonly runsBodyOften?: true;
    }
  /** Must not be on the path from a moving parameter to the loss. */
  | "no-gradient"
  /** On the path the operator is replaced by what it is made of (graph/expansions). */
  | (N extends CompositeName ? "expansion" : never);

/** What the gradient of an operator with bodies sees. */
export interface NodeBackward {
  readonly g: GraphBuilder;
  readonly node: Node;
  /** Gradients of all outputs; undefined where the loss does not depend on one. */
  readonly dys: readonly (Value | undefined)[];
  /** What the node or its bodies read gets a gradient where it is one of these. */
  readonly wanted: ReadonlySet<Value>;
  readonly inside: Inside;
}

/** Gradients, each with the value it belongs to, which may come more than once. */
export type NodeRule = (backward: NodeBackward) => readonly (readonly [value: Value, gradient: Value])[];

/** The backward pass of a body; what moves may lie around it. */
export interface Inside {
  /** What changes when the sources do. */
  reached(body: Graph, sources: readonly Value[]): ReadonlySet<Value>;
  /** Puts what composite operators between the sources and the ends are made of in their place. */
  expand(body: Graph, ends: readonly string[], sources: readonly Value[]): void;
  path(body: Graph, ends: readonly Value[], sources: readonly Value[]): GradientPath;
  /** Appends the gradients of a path's values, from those of its ends, and gives each when asked. */
  back(
    g: GraphBuilder,
    path: GradientPath,
    seeds: ReadonlyMap<Value, Value>,
  ): (value: Value) => Value | undefined;
}

/** Total over the op table: adding an op without deciding its gradient does not compile. */
export type GradRules = { readonly [N in OpName]: GradRule<N> };

export const isFloat = (value: Value): boolean =>
  value.dtype !== undefined && (value.dtype.startsWith("float") || value.dtype === "bfloat16");

/** Whether a value is of whole numbers, which may stand for real ones. */
export const isWhole = (value: Value): boolean => /^u?int\d+$/.test(value.dtype ?? "");

/** What an inputs tuple and a node give a rule. */
export function backwardOf<N extends OpName>(
  g: GraphBuilder,
  node: Node,
  attrs: AttributesOf<N>,
  dys: readonly (Value | undefined)[],
  index: number,
  asReal: (value: Value) => Value = (value) => value,
): Backward<N> {
  const inputs = node.inputs.map((input) => input && asReal(input));
  return {
    g,
    node,
    attrs,
    dys,
    index,
    get dy() {
      return dys[0] ?? g.zerosLike(asReal(node.outputs[0]!));
    },
    get y() {
      return asReal(node.outputs[0]!);
    },
    x: inputs as unknown as Inputs,
    has: (input) => node.inputs[input] !== undefined,
    output(index) {
      const made = node.outputs[index];
      if (made) return made;
      const name = `${node.outputs.find((output) => output)?.name}.${outputNameOf(node, index)}`;
      const value = g.graph.addNodeOutput(node, index, g.graph.freshName(name));
      inferNode(node);
      return value;
    },
  };
}

/** What ONNX calls an output of an operator: "InvStdDev". */
function outputNameOf(node: Node, index: number): string {
  const { outputs }: Schema = schemas[opNameOf(node)!];
  return (outputs[index] ?? outputs.at(-1)!).replace(/[?*]$/, "");
}

/** Refuses a form of an operator that has no gradient here. */
export function noGradient(node: Node, why: string): never {
  throw new DiapasonError(
    "autodiff/no-gradient",
    `${nodeText(node)} has no gradient: ${why}.`,
    "Freeze the parameters whose gradient passes through it, or export the model without it.",
  );
}

/** Sizes of a value that must be numbers. @throws autodiff/unknown-size */
export function sizesOf(node: Node, value: Value, what: string, from = 0): readonly number[] {
  const shape = value.shape?.slice(from);
  const sizes = numbers(shape);
  if (sizes) return sizes;
  throw new DiapasonError(
    "autodiff/unknown-size",
    `The gradient of ${nodeText(node)} needs ${what} of "${value.name}" as numbers; known is [${shape?.join(", ") ?? "?"}].`,
    `Bind the symbols when differentiating, for example symbols: { ${symbolsOf(product(shape ?? []))[0] ?? "height"}: 224 }.`,
  );
}
