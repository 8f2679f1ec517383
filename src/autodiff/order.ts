import type { Graph, Node } from "../graph/ir.ts";

/**
 * Orders the nodes of a backward pass so that ONNX Runtime frees activations early.
 *
 * The runtime makes an order of its own, depth first from the nodes whose outputs no other node reads, the last of them
 * in the file first. Left in order of creation, the weight gradients of the lowest layer come first, so that the
 * products of all other layers wait until the end and every activation lives until then. In reverse order of creation
 * each weight gradient is computed as soon as its layer's output gradient is there. What the forward pass gives (the
 * loss, running statistics) comes after them for the same reason: it is to be computed before.
 */
export function freeActivationsEarly(graph: Graph): void {
  const isRead = (node: Node) => node.outputs.some((output) => output && output.consumers.length > 0);
  const ends = graph.nodes.filter((node) => !isRead(node));
  graph.reorder([...graph.nodes.filter(isRead), ...ends.reverse()]);
}
