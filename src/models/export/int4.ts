import { GraphBuilder } from "../../graph/builder.ts";
import type { Graph, Value } from "../../graph/ir.ts";
import { removeDead } from "../../graph/passes/remove-dead.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { type BlockKind, toInt4 } from "./few-bits.ts";
import { matrixOf, productsOf, replaceProduct } from "./products.ts";

/** Numbers of a block, which share a scale. */
const block = 32;

/**
 * Brings the weights of products into blocks of 4 bits, in place: an eighth of the bytes, and a scale for every 32 numbers.
 * What is multiplied with them stays float32. Tables and convolutions stay as they are.
 * Result: what the user may want to know.
 */
export function toInt4Graph(graph: Graph, kind: BlockKind): string[] {
  const products = productsOf(graph);
  for (const product of products) {
    const { node, x, weight } = product;
    const g = new GraphBuilder(graph, node);
    const matrix = matrixOf(product);
    const [K, N] = matrix.dims as readonly [number, number];
    const { packed, scales, zeroPoints } = toInt4(matrix, kind, block);
    const add = (what: string, tensor: Tensor): Value =>
      graph.addInitializer(graph.freshName(`${weight.name}_${what}`), tensor);
    const parts = [x, add("Q4", packed), add("scales", scales), zeroPoints && add("zero_points", zeroPoints)];
    const attributes = { K, N, bits: 4, block_size: block };
    replaceProduct(
      g,
      product,
      g.op("com.microsoft.MatMulNBits", parts.slice(0, zeroPoints ? 4 : 3), attributes),
    );
  }
  removeDead(graph);
  return products.length > 0
    ? []
    : [
        "The model has no products with large weights, so that none is in 4 bits: int8 takes convolutions too.",
      ];
}
