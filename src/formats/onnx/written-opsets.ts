import { type Graph, type Node, type Value, withBodies } from "../../graph/ir.ts";
import type { DataType } from "../../graph/tensor.ts";

/**
 * The versions of the domains that a file of a graph is written in: the graph's, but opset 20 for 21 where the graph reads
 * numbers of int8 with a zero point and has nothing that opset 20 lacks.
 *
 * From opset 21 on ONNX Runtime (1.30 and 1.32, on x64) refuses what it makes itself of a DequantizeLinear of int8 before a
 * Reshape, Transpose, MaxPool, Squeeze, Unsqueeze or Slice: "output_dtype INT8 does not match y_zero_point type UINT8". Most
 * graphs that are quantised so came in an older opset and run there.
 */
export function writtenOpsets(graph: Graph): ReadonlyMap<string, number> {
  if (graph.opsets.get("") !== 21) return graph.opsets;
  const nodes = [...withBodies(graph)].map(([, node]) => node);
  if (!nodes.some(readsInt8) || nodes.some(needs21)) return graph.opsets;
  return new Map([...graph.opsets, ["", 20]]);
}

const isLinear = ({ domain, op }: Node): boolean => domain === "" && /^(De)?[Qq]uantizeLinear$/.test(op);
const readsInt8 = (node: Node): boolean => isLinear(node) && node.inputs[2]?.dtype === "int8";

/** Types that came with opset 21 or later. */
const later: ReadonlySet<DataType> = new Set(["int4", "uint4", "int2", "uint2", "float4e2m1", "float8e8m0"]);

function needs21(node: Node): boolean {
  const values = [...node.inputs, ...node.outputs].filter((value): value is Value => value !== undefined);
  if (values.some(({ dtype }) => dtype && later.has(dtype))) return true;
  if (!isLinear(node)) return node.domain === "" && node.op === "GroupNormalization";
  const isWide = values.some(({ dtype }) => dtype === "int16" || dtype === "uint16");
  return isWide || node.attributes.has("block_size") || node.attributes.has("output_dtype");
}
