import { knownNumbers } from "../infer/known-dims.ts";
import type { Graph, Node, Value } from "../ir.ts";

/**
 * Removes nodes that hand their input on: Identity, and Dropout outside of training. Names of the graph's outputs are
 * kept; a node that alone stands between an input or constant and an output stays.
 */
export function removeIdentities(graph: Graph): void {
  for (const node of [...graph.nodes]) {
    const [input] = node.inputs;
    const [output] = node.outputs;
    if (!input || !output || !handsOn(graph, node)) continue;
    const isOutput = graph.outputs.includes(output);
    if (isOutput && !canTakeName(graph, input)) continue;
    const { name } = output;
    graph.replaceUses(output, input);
    graph.removeNodes(new Set([node]));
    if (isOutput) graph.rename(input, name);
  }
}

function handsOn(graph: Graph, node: Node): boolean {
  if (node.domain !== "") return false;
  if (node.op === "Identity") return node.inputs[0]!.opaqueType === undefined;
  const [, mask] = node.outputs;
  if (node.op !== "Dropout" || (mask && graph.isRead(mask))) return false;
  return node.inputs[2] === undefined || knownNumbers(node.inputs[2])?.[0] === 0;
}

/** Whether a value may be renamed to an output's name: it is computed in this graph and no output itself. */
const canTakeName = (graph: Graph, value: Value): boolean =>
  value.producer !== undefined && graph.nodes.includes(value.producer) && !graph.outputs.includes(value);
