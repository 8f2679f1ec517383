import { attributesOf, opNameOf } from "../graph/attributes.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Graph, Node, Value } from "../graph/ir.ts";
import type { AttributesOf, OpName } from "../graph/schemas.ts";

/** What stands for a node where a device has no kernel of it; undefined where its attributes do not allow that. */
type Lowering<N extends OpName> = (call: {
  readonly g: GraphBuilder;
  readonly node: Node;
  readonly x: readonly Value[];
  readonly attrs: AttributesOf<N>;
}) => Value | undefined;

/** Operators that gradients are made of because the CPU runs them fast, in others that any device has. */
const lowerings: { readonly [N in OpName]?: Lowering<N> } = {
  "com.microsoft.FusedMatMul": ({ g, x: [a, b], attrs }) => {
    const { alpha, transA, transB } = attrs;
    const [rankA, rankB] = [a!.shape?.length, b!.shape?.length];
    if (attrs.transBatchA || attrs.transBatchB || rankA === undefined || rankB === undefined)
      return undefined;
    if (rankA === 2 && rankB === 2) return g.op("Gemm", [a!, b!], { alpha, transA, transB });
    // A vector has no last two axes; transA and transB leave it as it is.
    const side = (value: Value, rank: number, isSwapped: boolean) =>
      isSwapped && rank > 1 ? g.swap(value) : value;
    const product = g.matmul(side(a!, rankA, Boolean(transA)), side(b!, rankB, Boolean(transB)));
    return alpha === 1 ? product : g.mul(product, g.scalar(alpha, product));
  },
};

/** Puts other operators in a node's place. False where there is no lowering for it. */
export function lowerNode(graph: Graph, node: Node): boolean {
  const name = opNameOf(node);
  const lowering = name && (lowerings[name] as Lowering<OpName> | undefined);
  if (!lowering) return false;
  const made = lowering({
    g: new GraphBuilder(graph, node),
    node,
    x: node.inputs as readonly Value[],
    attrs: attributesOf(node, name),
  });
  const output = node.outputs[0];
  if (!made || !output) return false;
  const { name: text } = output;
  made.dtype ??= output.dtype;
  made.shape ??= output.shape;
  graph.replaceUses(output, made);
  graph.removeNodes(new Set([node]));
  graph.rename(made, text);
  return true;
}
