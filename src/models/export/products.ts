import { attributesOf } from "../../graph/attributes.ts";
import type { GraphBuilder } from "../../graph/builder.ts";
import type { Graph, Node, Value } from "../../graph/ir.ts";
import { sizeOf } from "../../graph/tensor.ts";
import { transpose } from "../checkpoint.ts";

/** Weights with fewer numbers stay as they are: in few bits they would save nothing, and cost accuracy. */
const smallest = 1024;

/** A product with a weight that is a constant: x · W + bias, W [inputs, outputs]. */
export interface Product {
  readonly node: Node;
  readonly x: Value;
  readonly weight: Value;
  /** Whether the weight lies [outputs, inputs]. */
  readonly isTransposed: boolean;
  readonly bias: Value | undefined;
}

/** Whether a value is a float32 constant that is worth fewer bits. */
export const isLarge = (graph: Graph, value: Value | undefined): value is Value =>
  value?.constant?.dtype === "float32" &&
  graph.initializers.has(value) &&
  !graph.inputs.includes(value) &&
  sizeOf(value.constant.dims) >= smallest;

/** MatMul and Gemm over constant matrices. Bodies of If, Loop and Scan are not looked into. */
export function productsOf(graph: Graph): Product[] {
  return graph.nodes.flatMap((node) => {
    const [x, weight, bias] = node.inputs;
    if (node.domain !== "" || !x) return [];
    const table = node.op === "MatMul" ? swappedIn(weight) : undefined;
    if (isLarge(graph, table)) return [{ node, x, weight: table, isTransposed: true, bias: undefined }];
    if (!isLarge(graph, weight) || weight.constant!.dims.length !== 2) return [];
    if (node.op === "MatMul") return [{ node, x, weight, isTransposed: false, bias: undefined }];
    if (node.op !== "Gemm") return [];
    const { alpha, beta, transA, transB } = attributesOf(node, "Gemm");
    if (alpha !== 1 || beta !== 1 || transA !== 0) return [];
    return [{ node, x, weight, isTransposed: transB !== 0, bias }];
  });
}

/** The matrix that a value is with its axes swapped. */
function swappedIn(value: Value | undefined): Value | undefined {
  const node = value?.producer;
  const from = node?.op === "Transpose" && node.domain === "" ? node.inputs[0] : undefined;
  return from?.constant?.dims.length === 2 && `${attributesOf(node!, "Transpose").perm}` === "1,0"
    ? from
    : undefined;
}

/** The weight of a product as [inputs, outputs]. */
export const matrixOf = ({ weight, isTransposed }: Product) =>
  isTransposed ? transpose(weight.constant!) : weight.constant!;

/** Puts a value into the place of a product, its bias added. */
export function replaceProduct(g: GraphBuilder, { node, bias }: Product, product: Value): void {
  const { graph } = g;
  const made = bias ? g.add(product, bias) : product;
  const output = node.outputs[0]!;
  const { name } = output;
  made.shape = output.shape;
  graph.replaceUses(output, made);
  graph.removeNodes(new Set([node]));
  graph.rename(made, name);
}
