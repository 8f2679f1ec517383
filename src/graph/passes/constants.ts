import type { Graph, Node } from "../ir.ts";
import type { Tensor } from "../tensor.ts";

/**
 * Puts constants in the place of a node's outputs, none of which is an output of the graph: of the same names, but for those
 * that hide a value of a graph around.
 */
export function replaceByConstants(graph: Graph, node: Node, tensors: readonly (Tensor | undefined)[]): void {
  const made = node.outputs.flatMap((output, i) => {
    const tensor = tensors[i];
    if (!output || !tensor) return [];
    const value = graph.addInitializer(graph.freshName(`${output.name}_constant`), tensor);
    graph.replaceUses(output, value);
    return [{ value, name: output.name }];
  });
  graph.removeNodes(new Set([node]));
  for (const { value, name } of made) if (!graph.find(name)) graph.rename(value, name);
}
