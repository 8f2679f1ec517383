import { GraphBuilder } from "../graph/builder.ts";
import type { Graph, Node, Value } from "../graph/ir.ts";

/** Operators of one input beside constants that change each number by itself. */
const pointwise: ReadonlySet<string> = new Set(["Add", "Cast", "Div", "Mul", "Tanh"]);
/** Products whose first input's rows are the tokens. */
const products: ReadonlySet<string> = new Set(["FusedMatMul", "MatMul", "MatMulNBits"]);

/**
 * Lets a graph compute logits of the last token alone, in place: [batch, tokens, vocab] becomes [batch, 1, vocab].
 *
 * The product with the table of words is most of the work and of the memory that a prompt takes. A graph that makes its
 * logits in another way stays as it is.
 */
export function lastTokenLogits(graph: Graph): void {
  const logits = graph.get("logits");
  if (logits.shape?.length !== 3) return;
  const path: Value[] = [];
  let node = logits.producer;
  while (node && pointwise.has(node.op)) {
    path.push(node.outputs[0]!);
    node = movingInput(node)?.producer;
  }
  if (!node || !products.has(node.op) || node.inputs.slice(1).some((input) => input?.producer)) return;
  path.push(node.outputs[0]!);
  const [hidden] = node.inputs;
  if (!hidden || path.some(({ consumers }) => consumers.length > 1)) return;
  const g = new GraphBuilder(graph, node);
  graph.setNodeInput(node, 0, g.slice(hidden, [1], [-1], [Number.MAX_SAFE_INTEGER]));
  for (const value of path) if (value.shape) value.shape = value.shape.map((size, i) => (i === 1 ? 1 : size));
}

/** The one input that is computed. */
function movingInput(node: Node): Value | undefined {
  const computed = node.inputs.filter((input) => input?.producer !== undefined);
  return computed.length === 1 ? computed[0] : undefined;
}
