import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from "../../base/half.ts";
import { dataTypeOf, numberOf } from "../element-types.ts";
import { inferShapes } from "../infer.ts";
import { type Attribute, bodiesOf, type Graph, type Node, type Value } from "../ir.ts";
import { type DataType, float32, sizeOf, type Tensor, tensorOf } from "../tensor.ts";

/*
 * Graphs of half precision compute in float32 while they are tuned: optimizers need the digits, and a CPU has kernels
 * for it. What a file has is kept as each value's `storedType`, and written back.
 */

const halves = {
  float16: { from: fromFloat16, to: toFloat16 },
  bfloat16: { from: fromBfloat16, to: toBfloat16 },
} as const;
type Half = keyof typeof halves;
const isHalf = (dtype: DataType | undefined): dtype is Half => dtype !== undefined && dtype in halves;

/** Whether a type's numbers fit float32 but not the other way round, so that it is widened. */
export const isNarrow = (value: Value): boolean => isHalf(value.storedType);

const tables = new Map<Half, Float32Array>();

/** The number of each of the 65,536 patterns. */
function numbersOf(dtype: Half): Float32Array {
  const known = tables.get(dtype);
  if (known) return known;
  const table = Float32Array.from({ length: 1 << 16 }, (_, bits) => halves[dtype].from(bits));
  tables.set(dtype, table);
  return table;
}

/** A tensor of half precision as float32, which holds each of its numbers; any other tensor as it is. */
export function widened(tensor: Tensor): Tensor {
  const { dtype, dims } = tensor;
  if (!isHalf(dtype)) return tensor;
  const numbers = numbersOf(dtype);
  const { buffer } = new Uint8Array(tensor.data.read());
  const bits = new Uint16Array(buffer, 0, sizeOf(dims));
  return float32(
    dims,
    Float32Array.from(bits, (pattern) => numbers[pattern]!),
  );
}

/** A float32 tensor rounded to half precision, halves to even. */
export function narrowed(tensor: Tensor, dtype: DataType | undefined): Tensor {
  if (!isHalf(dtype) || tensor.dtype !== "float32") return tensor;
  const { buffer } = new Uint8Array(tensor.data.read());
  return tensorOf(dtype, tensor.dims, Uint16Array.from(new Float32Array(buffer), halves[dtype].to));
}

/** The tensor of a constant in the type the file has. */
const storedTensor = (value: Value): Tensor => narrowed(value.constant!, value.storedType);

/**
 * Makes a graph whose types are known compute in float32 where it computes in half precision, in place. Result: the half
 * types it had.
 */
export function widenHalves(graph: Graph): ReadonlySet<DataType> {
  const found = new Set<DataType>();
  for (const value of allValues(graph)) if (isHalf(value.dtype)) found.add(value.dtype);
  if (found.size === 0) return found;
  for (const value of allValues(graph)) {
    value.storedType = value.dtype;
    if (!isHalf(value.dtype)) continue;
    if (value.constant) value.constant = widened(value.constant);
    value.dtype = "float32";
  }
  for (const [owner, node] of allNodes(graph))
    for (const [key, attribute] of node.attributes) {
      if (isTypeOf(key, attribute) && isHalf(dataTypeOf(Number(attribute.value))))
        owner.setAttribute(node, key, { type: "int", value: numberOf("float32") });
      if (attribute.type === "tensor")
        owner.setAttribute(node, key, { type: "tensor", value: widened(attribute.value) });
    }
  return found;
}

/**
 * Gives a widened graph the types of its file back, in place.
 *
 * What was added since (a new head) gets the type of what it reads.
 */
export function narrowToStored(graph: Graph): void {
  if (![...allValues(graph)].some(isNarrow)) return;
  for (const [, node] of allNodes(graph)) settleNew(node);
  for (const [owner, node] of allNodes(graph)) {
    const half = node.outputs.find((output) => output && isNarrow(output))?.storedType;
    if (!half) continue;
    for (const [key, attribute] of node.attributes) {
      if (isTypeOf(key, attribute) && dataTypeOf(Number(attribute.value)) === "float32")
        owner.setAttribute(node, key, { type: "int", value: numberOf(half) });
      if (attribute.type === "tensor")
        owner.setAttribute(node, key, { type: "tensor", value: narrowed(attribute.value, half) });
    }
  }
  const outputs = new Set(graph.outputs);
  for (const value of allValues(graph)) {
    if (isNarrow(value)) {
      if (value.constant) value.constant = storedTensor(value);
      value.dtype = value.storedType;
    } else if (value.producer && !outputs.has(value)) value.dtype = undefined;
  }
  inferShapes(graph);
}

/** Rounds the constants of a graph to the numbers that its file can hold, in place; the graph stays float32. */
export function roundToStored(graph: Graph): Graph {
  for (const value of graph.initializers) if (isNarrow(value)) value.constant = widened(storedTensor(value));
  return graph;
}

/** Types of the floats that a node has gained since its graph was widened: those of the floats it reads. */
function settleNew(node: Node): void {
  const half = node.inputs.find((input) => input && isNarrow(input))?.storedType;
  if (!half) return;
  for (const value of [...node.inputs, ...node.outputs])
    if (value && value.storedType === undefined && value.dtype === "float32") value.storedType = half;
}

/** Whether an attribute says the type of a node's output. */
const isTypeOf = (key: string, attribute: Attribute): attribute is Attribute & { readonly type: "int" } =>
  attribute.type === "int" && ["to", "dtype", "output_dtype", "output_datatype"].includes(key);

function* allNodes(graph: Graph): Generator<readonly [Graph, Node]> {
  for (const node of graph.nodes) {
    yield [graph, node];
    for (const body of bodiesOf(node)) yield* allNodes(body);
  }
}

function* allValues(graph: Graph): Generator<Value> {
  yield* new Set([...graph.inputs, ...graph.initializers]);
  for (const node of graph.nodes) {
    for (const output of node.outputs) if (output) yield output;
    for (const body of bodiesOf(node)) yield* allValues(body);
  }
}
