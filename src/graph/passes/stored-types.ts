import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from "../../base/half.ts";
import { dataTypeOf, numberOf } from "../element-types.ts";
import { inferShapes } from "../infer.ts";
import { type Attribute, bodiesOf, type Graph, type Node, type Value, withBodies } from "../ir.ts";
import { type DataType, float32, sizeOf, type Tensor, tensorOf } from "../tensor.ts";

/*
 * Graphs of half precision, and of 64 bits, compute in float32 while they are tuned: optimizers need the digits that half
 * precision lacks, a CPU has kernels for float32, and of 64 bits training has no use. What a file has is kept as each
 * value's `storedType`, and written back.
 */

/** How numbers of a type become float32, and float32 becomes numbers of it. */
interface Conversion {
  from(bytes: ArrayBuffer, count: number): Float32Array;
  to(numbers: Float32Array): Uint16Array | Float64Array;
}

const conversions = {
  float16: half(fromFloat16, toFloat16),
  bfloat16: half(fromBfloat16, toBfloat16),
  float64: { from: rounded, to: (numbers) => Float64Array.from(numbers) },
} as const satisfies Partial<Record<DataType, Conversion>>;
type Converted = keyof typeof conversions;
const hasConversion = (dtype: DataType | undefined): dtype is Converted =>
  dtype !== undefined && Object.hasOwn(conversions, dtype);

/** Whether a value computes in float32 and has another type in its file. */
export const isConverted = ({ dtype, storedType }: Value): boolean =>
  dtype === "float32" && hasConversion(storedType);

function half(number: (bits: number) => number, bitsOf: (number: number) => number): Conversion {
  let table: Float32Array | undefined;
  return {
    from(bytes, count) {
      // the number of each of the 65,536 patterns
      table ??= Float32Array.from({ length: 1 << 16 }, (_, bits) => number(bits));
      const numbers = table;
      return Float32Array.from(new Uint16Array(bytes, 0, count), (bits) => numbers[bits]!);
    },
    to: (numbers) => Uint16Array.from(numbers, bitsOf),
  };
}

/** The largest number of float32: what is larger in 64 bits stands for "as much as there is", and infinity would make NaN of it. */
const largest = (2 - 2 ** -23) * 2 ** 127;

function rounded(bytes: ArrayBuffer, count: number): Float32Array {
  const wide = new Float64Array(bytes, 0, count);
  return Float32Array.from(wide, (x) => (Number.isFinite(x) ? Math.min(largest, Math.max(-largest, x)) : x));
}

/** Of float32 tensors, those of more digits that they were rounded from: a weight that does not move keeps all of its own. */
const originals = new WeakMap<Tensor, Tensor>();

/** Says that a tensor holds the numbers of another, whose type has more digits. */
export function roundedFrom(tensor: Tensor, original: Tensor): Tensor {
  if (original.dtype === "float64") originals.set(tensor, original);
  return tensor;
}

/** A tensor as float32, where it is of half precision or of 64 bits; any other tensor as it is. */
export function asFloat32(tensor: Tensor): Tensor {
  const { dtype, dims } = tensor;
  if (!hasConversion(dtype)) return tensor;
  const { buffer } = new Uint8Array(tensor.data.read());
  return roundedFrom(float32(dims, conversions[dtype].from(buffer, sizeOf(dims))), tensor);
}

/** A float32 tensor in the type of its file: rounded to half precision, halves to even, or with the digits it had in 64 bits. */
export function asStored(tensor: Tensor, dtype: DataType | undefined): Tensor {
  if (!hasConversion(dtype) || tensor.dtype !== "float32") return tensor;
  const original = originals.get(tensor);
  if (original?.dtype === dtype) return original;
  const { buffer } = new Uint8Array(tensor.data.read());
  return tensorOf(dtype, tensor.dims, conversions[dtype].to(new Float32Array(buffer)));
}

/** The tensor of a constant in the type the file has. */
const storedTensor = (value: Value): Tensor => asStored(value.constant!, value.storedType);

/**
 * Makes a graph whose types are known compute in float32 where it computes in half precision, and in 64 bits if it has
 * weights of those, in place. Result: the types that it had there.
 *
 * `keepsHalves`: half precision stays, for a graph that is run and not tuned. Without matrices of 64 bits, or where vectors
 * are of 64 bits and other weights are not, those stay too: they are an island in which sizes or places are computed,
 * which rounding would shift.
 */
export function computeInFloat32(
  graph: Graph,
  { keepsHalves = false }: { readonly keepsHalves?: boolean } = {},
): ReadonlySet<DataType> {
  const has = (rank: number, isOf: (dtype: DataType) => boolean) =>
    [...graph.initializers].some(({ constant: c }) => c && isOf(c.dtype) && c.dims.length >= rank);
  const isDouble = (dtype: DataType) => dtype === "float64";
  const isOtherFloat = (dtype: DataType) =>
    dtype === "float32" || dtype === "float16" || dtype === "bfloat16";
  const isWide = has(2, isDouble) || (has(1, isDouble) && !has(1, isOtherFloat));
  const changes = (dtype: DataType | undefined): dtype is Converted =>
    hasConversion(dtype) && (dtype === "float64" ? isWide : !keepsHalves);
  const found = new Set<DataType>();
  for (const value of allValues(graph)) if (changes(value.dtype)) found.add(value.dtype);
  if (found.size === 0) return found;
  for (const value of allValues(graph)) {
    value.storedType = value.dtype;
    if (!changes(value.dtype)) continue;
    if (value.constant) value.constant = asFloat32(value.constant);
    value.dtype = "float32";
  }
  for (const [owner, node] of withBodies(graph))
    for (const [key, attribute] of node.attributes) {
      if (isTypeOf(key, attribute) && changes(dataTypeOf(Number(attribute.value))))
        owner.setAttribute(node, key, { type: "int", value: numberOf("float32") });
      if (attribute.type === "tensor" && changes(attribute.value.dtype))
        owner.setAttribute(node, key, { type: "tensor", value: asFloat32(attribute.value) });
    }
  return found;
}

/**
 * Gives such a graph the types of its file back, in place.
 *
 * What was added since (a new head) gets the type of what it reads.
 */
export function toStoredTypes(graph: Graph): void {
  if (![...allValues(graph)].some(isConverted)) return;
  for (const [, node] of withBodies(graph)) settleNew(node);
  for (const [owner, node] of withBodies(graph)) {
    const stored = node.outputs.find((output) => output && isConverted(output))?.storedType;
    if (!stored) continue;
    for (const [key, attribute] of node.attributes) {
      if (isTypeOf(key, attribute) && dataTypeOf(Number(attribute.value)) === "float32")
        owner.setAttribute(node, key, { type: "int", value: numberOf(stored) });
      if (attribute.type === "tensor")
        owner.setAttribute(node, key, { type: "tensor", value: asStored(attribute.value, stored) });
    }
  }
  const outputs = new Set(graph.outputs);
  for (const value of allValues(graph)) {
    if (isConverted(value)) {
      if (value.constant) value.constant = storedTensor(value);
      value.dtype = value.storedType;
    } else if (value.producer && !outputs.has(value)) value.dtype = undefined;
  }
  inferShapes(graph);
}

/** Rounds the constants of a graph to the numbers that its file can hold, in place; the graph stays float32. */
export function roundToStored(graph: Graph): Graph {
  // every number of float32 is one of 64 bits
  for (const value of graph.initializers)
    if (isConverted(value) && value.storedType !== "float64") value.constant = asFloat32(storedTensor(value));
  return graph;
}

/** Types of the floats that a node has gained since its graph was made to compute in float32: those of the floats it reads. */
function settleNew(node: Node): void {
  const stored = node.inputs.find((input) => input && isConverted(input))?.storedType;
  if (!stored) return;
  for (const value of [...node.inputs, ...node.outputs])
    if (value && value.storedType === undefined && value.dtype === "float32") value.storedType = stored;
}

/** Whether an attribute says the type of a node's output. */
const isTypeOf = (key: string, attribute: Attribute): attribute is Attribute & { readonly type: "int" } =>
  attribute.type === "int" && ["to", "dtype", "output_dtype", "output_datatype"].includes(key);

function* allValues(graph: Graph): Generator<Value> {
  yield* new Set([...graph.inputs, ...graph.initializers]);
  for (const node of graph.nodes) {
    for (const output of node.outputs) if (output) yield output;
    for (const body of bodiesOf(node)) yield* allValues(body);
  }
}
