import { bodiesOf, type Graph, type Node } from "../ir.ts";

/**
 * Removes nodes from which no output of the graph can be reached, and initializers that nobody reads. Inputs stay:
 * they are the graph's signature. Bodies of If, Loop and Scan are left as they are.
 */
export function removeDead(graph: Graph): void {
  const dead = new Set<Node>();
  const outputs = new Set(graph.outputs);
  for (const node of graph.nodes.toReversed()) {
    const isRead = node.outputs.some(
      (output) => output && (outputs.has(output) || output.consumers.some((reader) => !dead.has(reader))),
    );
    if (!isRead) for (const one of withInner(node)) dead.add(one);
  }
  graph.removeNodes(new Set(graph.nodes.filter((node) => dead.has(node))));
  const inputs = new Set(graph.inputs);
  for (const value of [...graph.initializers])
    if (value.consumers.length === 0 && !outputs.has(value) && !inputs.has(value)) graph.removeValue(value);
}

/** A node and those of its bodies, which read what lies outside as long as it lives. */
const withInner = (node: Node): readonly Node[] => [
  node,
  ...bodiesOf(node).flatMap((body) => body.nodes.flatMap(withInner)),
];
