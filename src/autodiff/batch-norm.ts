import { attributesOf } from "../graph/attributes.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Graph, Node, Value } from "../graph/ir.ts";

/**
 * The next running variance of a BatchNormalization in training mode as PyTorch keeps it, appended to the graph.
 *
 * ONNX mixes in the batch's variance as it is, Σ(x − mean)² / n; PyTorch divides by n − 1, so that the running variance
 * estimates the one of all data. Both normalise by the former. A batch of one element per channel is left as it is.
 */
export function unbiasedRunningVariance(graph: Graph, node: Node): Value {
  const g = new GraphBuilder(graph);
  const [x, , , , variance] = node.inputs as readonly Value[];
  const next = node.outputs[2]!;
  const { momentum } = attributesOf(node, "BatchNormalization");
  const kept = g.mul(momentum, variance!);
  const count = g.div(g.count(x!, next), g.count(variance!, next));
  const correction = g.div(count, g.max(1, g.sub(count, 1)));
  return g.add(kept, g.mul(correction, g.sub(next, kept)));
}
