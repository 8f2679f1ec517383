import { attributesOf, opNameOf } from "../graph/attributes.ts";
import type { GraphBuilder } from "../graph/builder.ts";
import type { Graph, Node, Value } from "../graph/ir.ts";
import { backName } from "../graph/print.ts";
import { schemas } from "../graph/schemas.ts";
import { asVector, matmulFrame } from "./matmul-frame.ts";
import {
  type Blame,
  expandOnPath,
  type GradientPath,
  gradientPath,
  inputRuleOf,
  nodeRuleOf,
  reachedFrom,
} from "./path.ts";
import { reduceTo } from "./reduce.ts";
import { backwardOf, type Inside, isWhole } from "./rule.ts";

/**
 * Appends the gradients of the values of a path and gives each when asked; undefined where it is zero.
 *
 * `seeds`: gradients of the path's ends. `blame`: which parameters an error is to name for a node.
 */
export function backpropagate(
  g: GraphBuilder,
  { values, nodes }: GradientPath,
  seeds: ReadonlyMap<Value, Value>,
  blame: Blame,
): (value: Value) => Value | undefined {
  const gradients = new Gradients(g);
  for (const [value, seed] of seeds) gradients.add(value, seed);
  const sections = new SectionNames(g.graph);
  for (const node of nodes.toReversed()) {
    goBack(g, node, values, gradients, blame);
    sections.name(node.outputs.find((output) => output !== undefined)!);
  }
  return (value) => {
    const gradient = gradients.of(value);
    sections.name(value);
    return gradient;
  };
}

/** Calls the nodes of a backward pass after the value they go back through: "logits.back.1", "logits.back.2", … */
class SectionNames {
  readonly #graph: Graph;
  readonly #known: Set<Node>;
  readonly #names: Set<string>;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#known = new Set(graph.nodes);
    this.#names = new Set(graph.nodes.map(({ name }) => name));
  }
  /** Names what was appended since the last call. */
  name(through: Value): void {
    const base = backName(through.name);
    const { nodes } = this.#graph;
    let first = nodes.length;
    while (first > 0 && !this.#known.has(nodes[first - 1]!)) first--;
    let number = 0;
    for (const node of nodes.slice(first)) {
      this.#known.add(node);
      let name: string;
      do name = `${base}.${++number}`;
      while (this.#names.has(name));
      this.#names.add(name);
      this.#graph.setNodeName(node, name);
    }
  }
}

/** How an operator goes back through its bodies. */
const insideOf = (blame: Blame): Inside => ({
  reached: reachedFrom,
  expand: expandOnPath,
  path: (body, ends, sources) => gradientPath(body, ends, sources, blame),
  back: (g, path, seeds) => backpropagate(g, path, seeds, blame),
});

/** Gradients as they come in: several uses of a value give several parts of a sum. */
class Gradients {
  readonly #g: GraphBuilder;
  readonly #parts = new Map<Value, Value[]>();
  readonly #forward: ReadonlySet<Node>;

  constructor(g: GraphBuilder) {
    this.#g = g;
    this.#forward = new Set(g.graph.nodes);
  }
  add(value: Value, part: Value): void {
    const parts = this.#parts.get(value);
    if (parts) parts.push(part);
    else this.#parts.set(value, [part]);
  }
  /** The whole gradient of a value all of whose uses have been gone back through. */
  of(value: Value): Value | undefined {
    const parts = this.#parts.get(value);
    if (!parts) return undefined;
    const total =
      parts.length > 2 ? this.#g.op("Sum", parts) : parts.reduce((sum, part) => this.#g.add(sum, part));
    // a branch may leave open what is known of the value itself
    total.shape ??= value.shape;
    this.#parts.set(value, [total]);
    this.#name(total, value);
    return total;
  }
  /**
   * Calls a gradient after the value it belongs to first, so that the graph can be read; in a body that of a value from
   * around it is a part of the whole.
   */
  #name(gradient: Value, value: Value): void {
    const { graph } = this.#g;
    const name = `${value.name}.grad${graph.owns(value) ? "" : ".part"}`;
    const { producer } = gradient;
    if (!producer || this.#forward.has(producer) || !graph.owns(gradient)) return;
    const isUnnamed = gradient.name.replace(/_\d+$/, "") === producer.op.toLowerCase();
    if (isUnnamed) graph.rename(gradient, graph.freshName(name));
  }
}

/** Adds the gradients of a node's inputs, from those of its outputs. */
function goBack(
  g: GraphBuilder,
  node: Node,
  values: ReadonlySet<Value>,
  gradients: Gradients,
  blame: Blame,
): void {
  const dys = node.outputs.map((output) => output && gradients.of(output));
  if (dys.every((dy) => dy === undefined)) return;
  const whole = nodeRuleOf(node);
  if (whole) {
    const inside = insideOf(() => blame(node));
    for (const [value, gradient] of whole({ g, node, dys, wanted: values, inside }))
      gradients.add(value, gradient);
    return;
  }
  const name = opNameOf(node)!;
  const { broadcast } = schemas[name] as { broadcast?: "all" | "matmul" };
  // whole numbers on the path stand for real ones: rules compute with them so
  const like = dys.find((dy) => dy !== undefined)!;
  const asReal = (value: Value) => (values.has(value) && isWhole(value) ? g.cast(value, like) : value);
  for (const [index, input] of node.inputs.entries()) {
    const rule = inputRuleOf(node, index);
    if (!input || !values.has(input) || !rule) continue;
    const backward = backwardOf(g, node, attributesOf(node, name), dys, index, asReal);
    if (broadcast !== "matmul") {
      const gradient = rule(backward);
      if (gradient) gradients.add(input, fitted(g, gradient, input, broadcast === "all"));
      continue;
    }
    const { a, b, dy } = matmulFrame(g, node, dys[0]!, index);
    const gradient = rule({ ...backward, dy, x: [a, b] as never });
    if (gradient) gradients.add(input, reduceTo(g, asVector(g, gradient, input, index), input));
  }
}

/** A gradient in the shape of its value. Without broadcasting only a shape that is known to be larger is summed. */
function fitted(g: GraphBuilder, gradient: Value, value: Value, broadcasts: boolean): Value {
  if (broadcasts) return reduceTo(g, gradient, value);
  const large = gradient.shape;
  const small = value.shape;
  if (!large || !small) return gradient;
  const extra = large.length - small.length;
  const differs = extra !== 0 || large.some((dim, axis) => small[axis] === 1 && dim !== 1);
  return differs ? reduceTo(g, gradient, value) : gradient;
}
