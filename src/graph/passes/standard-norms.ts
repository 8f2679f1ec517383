import { attributesOf } from "../attributes.ts";
import { GraphBuilder, range, rankOf } from "../builder.ts";
import { bodiesOf, type Graph, type Node, type Value } from "../ir.ts";

/**
 * Writes SimplifiedLayerNormalization, which ONNX Runtime knows in ONNX's own domain and ONNX does not, in operators of
 * ONNX, in place: x / √(mean(x²) + ε) · scale.
 *
 * The form is the one that ONNX Runtime makes its kernel of again as it opens the file: Pow and no product of x with
 * itself, and one division. A node of unknown rank, or whose deviation is read, stays.
 */
export function standardNorms(graph: Graph): void {
  for (const node of [...graph.nodes]) {
    for (const body of bodiesOf(node)) standardNorms(body);
    if (node.domain === "" && node.op === "SimplifiedLayerNormalization") spell(graph, node);
  }
}

function spell(graph: Graph, node: Node): void {
  const [x, scale] = node.inputs as readonly [Value, Value];
  const [y, deviation] = node.outputs;
  if (!y || !x.shape || (deviation && graph.isRead(deviation))) return;
  const { axis, epsilon, stash_type } = attributesOf(node, "SimplifiedLayerNormalization");
  const g = new GraphBuilder(graph, node);
  const rank = rankOf(x);
  // squares leave the range of float16 early
  const wide = stash_type === 1 ? g.cast(x, "float32") : x;
  const mean = g.mean(g.pow(wide, 2), range(axis < 0 ? axis + rank : axis, rank), true);
  const normal = g.div(wide, g.sqrt(g.add(mean, epsilon)));
  const scaled = g.mul(g.cast(normal, scale), scale);
  const { name } = y;
  graph.replaceUses(y, scaled);
  graph.removeNodes(new Set([node]));
  graph.rename(scaled, name);
}
