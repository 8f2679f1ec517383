import { attributesOf, opNameOf } from "../attributes.ts";
import { GraphBuilder } from "../builder.ts";
import type { Graph, Node, Value } from "../ir.ts";
import type { OpName } from "../schemas.ts";
import { type Composite, type Expansion, noExpansion } from "./expansion.ts";
import { expansions } from "./table.ts";

/** Operators that have an expansion. */
export type CompositeName = keyof typeof expansions;

/** Whether an operator is made of simpler ones. */
export const isComposite = (name: OpName | undefined): name is CompositeName =>
  name !== undefined && Object.hasOwn(expansions, name);

/** Appends what a composite node is made of and gives its outputs in order; the node itself stays. */
export function appendExpansion(
  g: GraphBuilder,
  node: Node,
  inputs: readonly (Value | undefined)[] = node.inputs,
): readonly (Value | undefined)[] {
  const name = opNameOf(node) as CompositeName;
  const made = g.graph.inPlaceOf(node, () =>
    (expansions[name] as Expansion)({
      g,
      node,
      attrs: attributesOf(node, name),
      x: inputs as unknown as Composite["x"],
      has: (input) => inputs[input] !== undefined,
    }),
  );
  return "name" in made ? [made] : made;
}

/** Puts what a composite node is made of in its place; its outputs keep their names. */
export function expandNode(graph: Graph, node: Node): void {
  replaceNode(graph, node, appendExpansion(new GraphBuilder(graph, node), node));
}

/** Puts other values, made before a node, in the place of its outputs, whose names they get. */
export function replaceNode(graph: Graph, node: Node, made: readonly (Value | undefined)[]): void {
  const outputs = node.outputs.map((output, i) => {
    const value = made[i];
    if (!output || !value) return undefined;
    // a value that has a name of its own already: an input, or one output for two
    const isFresh = value.producer && made.indexOf(value) === i && !node.inputs.includes(value);
    return isFresh ? value : graph.addNode("Identity", [value], { before: node }).outputs[0]!;
  });
  const names = node.outputs.map((output) => output?.name);
  for (const [i, output] of node.outputs.entries()) {
    const value = outputs[i];
    if (output && !value && graph.isRead(output))
      noExpansion(node, `its output ${i}, "${output.name}", is read`);
    if (!output || !value) continue;
    value.shape ??= output.shape;
    value.dtype ??= output.dtype;
    graph.replaceUses(output, value);
  }
  graph.removeNodes(new Set([node]));
  for (const [i, value] of outputs.entries()) if (value) graph.rename(value, names[i]!);
}
