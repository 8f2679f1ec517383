import { opNameOf } from "../graph/attributes.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { expandNode } from "../graph/expansions/expand.ts";
import { inferShapes } from "../graph/infer.ts";
import type { Graph, Node, Value } from "../graph/ir.ts";
import { fromNdArray, type NdArray, runNode, toNdArray } from "../graph/kernels/interpret.ts";
import { removeDead } from "../graph/passes/remove-dead.ts";
import type { OpName } from "../graph/schemas.ts";
import { findHead, isPool, isShapeOnly } from "./find-head.ts";

/** Operators of whole numbers that a classifier may end with; what they are made of is looked at instead. */
const takenApart: ReadonlySet<OpName | undefined> = new Set<OpName>([
  "QLinearConv",
  "QLinearMatMul",
  "com.microsoft.DynamicQuantizeMatMul",
  "com.microsoft.MatMulBnb4",
  "com.microsoft.MatMulIntegerToFloat",
  "com.microsoft.MatMulNBits",
  "com.microsoft.QGemm",
  "com.microsoft.QLinearAveragePool",
  "com.microsoft.QLinearGlobalAveragePool",
  "com.microsoft.QLinearConv",
]);
const linear = new Set(["Gemm", "MatMul", "Conv"]);

/**
 * The graph with a last layer of real numbers where it has one of whole numbers, so that it can get other classes: its
 * features are rounded as before, its weight, bias and result are not. A graph without such a layer is given back.
 */
export function withRealHead(graph: Graph): Graph {
  if (findHead(graph.outputs[0])) return graph;
  const copy = graph.clone();
  makeReal(copy);
  removeDead(copy);
  inferShapes(copy);
  return findHead(copy.outputs[0]) ? copy : graph;
}

/** Goes back from the output to the last linear layer. */
function makeReal(graph: Graph): void {
  let value: Value | undefined = graph.outputs[0];
  while (value?.producer) {
    const node: Node = value.producer;
    const { name } = value;
    const whole = node.op === "DequantizeLinear" ? node.inputs[0]?.producer : node;
    if (whole && takenApart.has(opNameOf(whole))) {
      expandNode(graph, whole);
      value = graph.get(name);
      continue;
    }
    const unrounded = throughRounding(node) ?? realProduct(graph, node);
    if (unrounded) {
      graph.replaceUses(value, unrounded);
      value = unrounded;
      continue;
    }
    if (linear.has(node.op)) {
      foldInputs(graph, node);
      return;
    }
    const isPassed = isShapeOnly(node) || isPool(node) || node.op === "Softmax" || node.op === "Add";
    if (!isPassed) return;
    if (node.op === "Add") foldInputs(graph, node);
    value = node.inputs.find((input) => input?.producer);
  }
}

/** What a DequantizeLinear gives back when it follows a QuantizeLinear: the numbers before they were rounded. */
function throughRounding(node: Node): Value | undefined {
  const rounding = node.op === "DequantizeLinear" ? node.inputs[0]?.producer : undefined;
  return rounding?.op === "QuantizeLinear" ? rounding.inputs[0] : undefined;
}

/** (A − a)·(B − b) times both scales, of an A that was rounded on the way, as A·real B; undefined for anything else. */
function realProduct(graph: Graph, node: Node): Value | undefined {
  if (node.op !== "Mul") return undefined;
  const producers = node.inputs.map((input) => input?.producer);
  const product = producers.find((other) => other?.op === "Cast")?.inputs[0]?.producer;
  const scales = producers.find((other) => other?.op === "Mul")?.inputs;
  const rounding = product?.inputs[0]?.producer;
  if (product?.op !== "MatMulInteger" || rounding?.op !== "DynamicQuantizeLinear") return undefined;
  const scale = scales?.find((input) => input !== rounding.outputs[1]);
  const [, weight, , zero] = product.inputs;
  if (!weight?.constant || !scale?.constant) return undefined;
  const g = new GraphBuilder(graph, node);
  const whole = g.cast(weight, scale);
  const real = g.mul(zero ? g.sub(whole, g.cast(zero, scale)) : whole, scale);
  return g.matmul(rounding.inputs[0]!, constant(graph, real, nameOf(weight)));
}

/** Makes initializers of the inputs that depend on constants only. */
function foldInputs(graph: Graph, node: Node): void {
  for (const [i, input] of node.inputs.entries())
    if (input?.producer) graph.setNodeInput(node, i, constant(graph, input, nameOf(storedFor(input))));
}

/** A value as an initializer where it depends on constants only, else as it is. */
function constant(graph: Graph, value: Value, name: string): Value {
  const array = computed(value);
  if (!array) return value;
  return graph.addInitializer(
    graph.freshName(name),
    fromNdArray({ ...array, dtype: value.dtype ?? array.dtype }),
  );
}

/** A value that depends on constants only; undefined for any other. */
function computed(value: Value): NdArray | undefined {
  if (value.constant) return toNdArray(value.constant);
  const node = value.producer;
  if (!node || !opNameOf(node) || node.inputs.length === 0) return undefined;
  const inputs: (NdArray | undefined)[] = [];
  for (const input of node.inputs) {
    const array = input && computed(input);
    if (input && !array) return undefined;
    inputs.push(array);
  }
  return runNode(node, inputs)[node.outputs.indexOf(value)];
}

/** The constant that a value is made of first. */
function storedFor(value: Value): Value {
  const [first] = value.producer?.inputs ?? [];
  return first ? storedFor(first) : value;
}

/** What the weight was called before it was quantised. */
const nameOf = (value: Value): string => value.name.replace(/_quantized(_\w+)?$/, "");
