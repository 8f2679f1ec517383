import { attributesOf, opNameOf } from "../../graph/attributes.ts";
import { GraphBuilder } from "../../graph/builder.ts";
import type { Graph, Node, Value } from "../../graph/ir.ts";
import { removeDead } from "../../graph/passes/remove-dead.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { toInt8 } from "./few-bits.ts";
import { isLarge, matrixOf, productsOf, replaceProduct } from "./products.ts";

/** A constant of a new name made from the weight's. */
const added = (graph: Graph, weight: Value, what: string, tensor: Tensor): Value =>
  graph.addInitializer(graph.freshName(`${weight.name}_${what}`), tensor);

/**
 * Brings weights into int8 with a scale for each output, in place: a quarter of the bytes.
 *
 * Products compute in int8, their activations rounded to uint8 as they come (DynamicQuantizeLinear, MatMulInteger), as
 * onnxruntime.quantization.quantize_dynamic writes them. Convolutions and rows of tables compute in float32 from the
 * weights in int8: their activations keep every digit. Result: what the user may want to know.
 */
export function toInt8Graph(graph: Graph): readonly string[] {
  const before = graph.nodes.length;
  quantizeProducts(graph);
  for (const node of [...graph.nodes]) {
    if (opNameOf(node) === "Conv" && isLarge(graph, node.inputs[1]))
      quantizeKernel(graph, node, node.inputs[1]);
    if (opNameOf(node) === "Gather" && isTable(graph, node)) quantizeRows(graph, node, node.inputs[0]!);
  }
  const isSame = graph.nodes.length === before;
  removeDead(graph);
  return isSame
    ? ["The model has no large weights, so that none is in int8: the file is as large as before."]
    : [];
}

function quantizeProducts(graph: Graph): void {
  /** What an activation is as whole numbers, once for all products that read it. */
  const rounded = new Map<Value, readonly [Value, Value, Value]>();
  for (const product of productsOf(graph)) {
    const { node, x, weight } = product;
    const g = new GraphBuilder(graph, node);
    const { whole, scales } = toInt8(matrixOf(product), 1);
    const parts = rounded.get(x) ?? roundedOf(g, x);
    rounded.set(x, parts);
    const [xWhole, xScale, xZero] = parts;
    const b = added(graph, weight, "quantized", whole);
    const sums = g.op("MatMulInteger", [xWhole, b, xZero]);
    const scale = g.mul(xScale, added(graph, weight, "scale", scales));
    replaceProduct(g, product, g.mul(g.cast(sums, "float32"), scale));
  }
}

function roundedOf(g: GraphBuilder, x: Value): readonly [Value, Value, Value] {
  const names = ["quantized", "scale", "zero_point"].map((part) => g.graph.freshName(`${x.name}_${part}`));
  return g.node("DynamicQuantizeLinear", [x], {}, names).outputs as unknown as readonly [Value, Value, Value];
}

function quantizeKernel(graph: Graph, node: Node, weight: Value): void {
  const g = new GraphBuilder(graph, node);
  const { whole, scales } = toInt8(weight.constant!, 0);
  const parts = [added(graph, weight, "quantized", whole), added(graph, weight, "scale", scales)];
  graph.setNodeInput(node, 1, g.op("DequantizeLinear", parts, { axis: 0 }));
}

const isTable = (graph: Graph, node: Node): boolean =>
  isLarge(graph, node.inputs[0]) &&
  node.inputs[0].constant!.dims.length === 2 &&
  attributesOf(node, "Gather").axis === 0;

function quantizeRows(graph: Graph, node: Node, table: Value): void {
  const g = new GraphBuilder(graph, node);
  const ids = node.inputs[1]!;
  const { whole, scales } = toInt8(table.constant!, 0);
  const column: Tensor = { ...scales, dims: [scales.dims[0]!, 1] };
  const row = (values: Value) => g.op("Gather", [values, ids], { axis: 0 });
  const numbers = g.cast(row(added(graph, table, "quantized", whole)), "float32");
  const output = node.outputs[0]!;
  const { name } = output;
  const made = g.mul(numbers, row(added(graph, table, "scale", column)));
  made.shape = output.shape;
  graph.replaceUses(output, made);
  graph.removeNodes(new Set([node]));
  graph.rename(made, name);
}
