import { type Graph, type Node, type Value, withBodies } from "../../graph/ir.ts";
import type { DataType } from "../../graph/tensor.ts";

/** In which versions of the domains a file of a graph is written, and of which domain its nodes are there. */
export interface WrittenForm {
  readonly opsets: ReadonlyMap<string, number>;
  readonly domainOf: (node: Node) => string;
}

/**
 * How a graph is written: as it is, unless it reads numbers of int8 with a zero point.
 *
 * From opset 21 on ONNX Runtime (1.30 and 1.32, on x64) refuses what it makes itself of a DequantizeLinear of int8 before a
 * Reshape, Transpose, MaxPool, Squeeze, Unsqueeze or Slice: "output_dtype INT8 does not match y_zero_point type UINT8". Most
 * graphs that are quantised so came in an older opset and run there: they are written in opset 20 where they have nothing
 * that it lacks. Elsewhere com.microsoft's DequantizeLinear, which gives the same numbers, takes the place of ONNX's.
 */
export function writtenForm(graph: Graph): WrittenForm {
  const opset = graph.opsets.get("") ?? 0;
  const asItIs = { opsets: graph.opsets, domainOf: ({ domain }: Node) => domain };
  if (opset < 21) return asItIs;
  const nodes = [...withBodies(graph)].map(([, node]) => node);
  if (!nodes.some(readsInt8)) return asItIs;
  if (opset === 21 && !nodes.some(needs21))
    return { ...asItIs, opsets: new Map([...graph.opsets, ["", 20]]) };
  const moved = new Set(nodes.filter(isRefused));
  if (moved.size === 0) return asItIs;
  const opsets = new Map([["com.microsoft", 1], ...graph.opsets]);
  return { opsets, domainOf: (node) => (moved.has(node) ? "com.microsoft" : node.domain) };
}

const isLinear = ({ domain, op }: Node): boolean => domain === "" && /^(De)?[Qq]uantizeLinear$/.test(op);
const readsInt8 = (node: Node): boolean => isLinear(node) && node.inputs[2]?.dtype === "int8";

/** What ONNX Runtime moves a DequantizeLinear behind, and what it leaves out before. */
const passed: ReadonlySet<string> = new Set([
  "Reshape",
  "Transpose",
  "MaxPool",
  "Squeeze",
  "Unsqueeze",
  "Slice",
]);
const leftOut: ReadonlySet<string> = new Set(["Identity", "Dropout"]);

/** Whether ONNX Runtime would refuse an int8 DequantizeLinear of ONNX's for what reads it, and com.microsoft's can say the same. */
function isRefused(node: Node): boolean {
  const isSpelledAlike = !node.attributes.has("block_size") && !node.attributes.has("output_dtype");
  return node.op === "DequantizeLinear" && readsInt8(node) && isSpelledAlike && isPassed(node);
}

const isPassed = ({ outputs: [output] }: Node): boolean =>
  output?.consumers.some(
    (reader) =>
      reader.domain === "" && (passed.has(reader.op) || (leftOut.has(reader.op) && isPassed(reader))),
  ) ?? false;

/** Types that came with opset 21 or later. */
const later: ReadonlySet<DataType> = new Set(["int4", "uint4", "int2", "uint2", "float4e2m1", "float8e8m0"]);

function needs21(node: Node): boolean {
  const values = [...node.inputs, ...node.outputs].filter((value): value is Value => value !== undefined);
  if (values.some(({ dtype }) => dtype && later.has(dtype))) return true;
  if (!isLinear(node)) return node.domain === "" && node.op === "GroupNormalization";
  const isWide = values.some(({ dtype }) => dtype === "int16" || dtype === "uint16");
  return isWide || node.attributes.has("block_size") || node.attributes.has("output_dtype");
}
