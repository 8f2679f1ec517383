import { attributesOf, opNameOf } from "../attributes.ts";
import { GraphBuilder } from "../builder.ts";
import type { Graph, Node, Value } from "../ir.ts";

/**
 * Makes one product of thin ones that read the same left side: x·A₁, x·A₂, … are the columns of x·[A₁ A₂ …].
 *
 * Adapters of the query, the key and the value each project the same hidden states to a few columns. Such a product, and
 * both of its gradients, cost what reading the hidden states costs: together they read them once.
 */
export function joinProducts(graph: Graph): void {
  const groups = new Map<string, Thin[]>();
  for (const node of graph.nodes) {
    const thin = thinOf(node);
    if (!thin) continue;
    const { left, isSwapped, alpha } = thin;
    const key = JSON.stringify([left.name, isSwapped, alpha]);
    groups.set(key, [...(groups.get(key) ?? []), thin]);
  }
  for (const [first, ...more] of groups.values()) if (first && more.length > 0) join(graph, [first, ...more]);
}

/** A product with a weight of few columns. */
interface Thin {
  readonly node: Node;
  readonly left: Value;
  readonly weight: Value;
  readonly columns: number;
  /** Axes of the product. */
  readonly rank: number;
  /** Whether the weight lies as [columns, rows]. */
  readonly isSwapped: boolean;
  readonly alpha: number;
}

/** From how many rows for each of its columns a weight is thin. */
const thinness = 8;

function thinOf(node: Node): Thin | undefined {
  const product = productOf(node);
  const [left, weight] = node.inputs;
  const rank = node.outputs[0]?.shape?.length;
  if (!product || !left || !rank || !weight || weight.producer || weight.shape?.length !== 2)
    return undefined;
  const [columns, rows] = product.isSwapped ? weight.shape : weight.shape.toReversed();
  if (typeof columns !== "number" || typeof rows !== "number" || columns * thinness > rows) return undefined;
  return { node, left, weight, columns, rank, ...product };
}

function productOf(node: Node): Pick<Thin, "isSwapped" | "alpha"> | undefined {
  const name = opNameOf(node);
  if (name === "MatMul") return { isSwapped: false, alpha: 1 };
  if (name !== "com.microsoft.FusedMatMul") return undefined;
  const { alpha, transA, transB, transBatchA, transBatchB } = attributesOf(node, name);
  return transA || transBatchA || transBatchB ? undefined : { isSwapped: Boolean(transB), alpha };
}

function join(graph: Graph, group: readonly [Thin, ...Thin[]]): void {
  const [{ node, left, isSwapped, alpha, rank }] = group;
  const g = new GraphBuilder(graph, node);
  const weights = g.concat(
    group.map(({ weight }) => weight),
    isSwapped ? 0 : 1,
  );
  const product = g.product(left, weights, { transB: isSwapped, alpha });
  const parts = g.split(
    product,
    group.map(({ columns }) => columns),
    rank - 1,
  );
  for (const [i, thin] of group.entries()) {
    const output = thin.node.outputs[0]!;
    const isOutput = graph.outputs.includes(output);
    const { name } = output;
    graph.replaceUses(output, parts[i]!);
    graph.removeNodes(new Set([thin.node]));
    if (isOutput) graph.rename(parts[i]!, name);
  }
}
