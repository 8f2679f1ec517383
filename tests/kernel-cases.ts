import { readdirSync, readFileSync } from "node:fs";
import { type Attribute, Graph, type Node } from "../src/graph/ir.ts";
import { fromNdArray, type NdArray } from "../src/graph/kernels/interpret.ts";
import type { DataType } from "../src/graph/tensor.ts";

interface StoredArray {
  readonly dtype: DataType;
  readonly dims: readonly number[];
  readonly data: readonly (number | string)[];
}
type StoredAttribute =
  | Exclude<Attribute, { type: "tensor" | "graph" }>
  | { type: "tensor"; value: StoredArray }
  | { type: "graph"; value: StoredBody };
/** The body of an If, Loop or Scan. */
interface StoredBody {
  readonly inputs: readonly (readonly [string, DataType])[];
  readonly constants: readonly (readonly [string, StoredArray])[];
  readonly nodes: readonly {
    readonly op: string;
    readonly inputs: readonly string[];
    readonly outputs: readonly string[];
    readonly attributes: { readonly [name: string]: StoredAttribute };
  }[];
  readonly outputs: readonly string[];
}
export interface KernelCase {
  /** With its domain, as in the operator table. */
  readonly op: string;
  readonly attributes?: { readonly [name: string]: StoredAttribute };
  readonly inputs: readonly (StoredArray | null)[];
  readonly outputs: readonly (StoredArray | null)[];
}

/** One-node models with what ONNX Runtime computes for them; see tools/fixtures/kernels*.py. */
const folder = new URL("fixtures/kernels/", import.meta.url);
export const kernelCases = readdirSync(folder).flatMap(
  (file) =>
    (JSON.parse(readFileSync(new URL(file, folder), "utf8")) as { readonly cases: readonly KernelCase[] })
      .cases,
);

export const readArray = ({ dtype, dims, data }: StoredArray): NdArray => ({
  dtype,
  dims,
  data: Float64Array.from(data, Number),
});

/** The node alone in a graph whose inputs have no known shape: the kernel must take all sizes from the arrays. */
export const nodeOf = (row: KernelCase): Node => addCase(new Graph("one node"), row, () => false);

/** Adds the node of a case, from inputs x0, x1, … to outputs y0, y1, …; those inputs that are `fixed` are constants. */
export function addCase(
  graph: Graph,
  { op, attributes = {}, inputs, outputs }: KernelCase,
  fixed: (input: StoredArray) => boolean,
): Node {
  const at = op.lastIndexOf(".");
  return graph.addNode(
    op.slice(at + 1),
    inputs.map((input, i) => {
      if (!input) return undefined;
      return fixed(input)
        ? graph.addInitializer(`x${i}`, fromNdArray(readArray(input)))
        : graph.addInput(`x${i}`, input.dtype);
    }),
    {
      domain: op.slice(0, Math.max(0, at)),
      attributes: readAttributes(attributes, graph),
      outputs: outputs.map((output, i) => (output ? `y${i}` : "")),
    },
  );
}

const readAttributes = (attributes: { readonly [name: string]: StoredAttribute }, graph: Graph) =>
  Object.entries(attributes).map(([key, a]): [string, Attribute] => {
    if (a.type === "tensor") return [key, { ...a, value: fromNdArray(readArray(a.value)) }];
    return [key, a.type === "graph" ? { ...a, value: readBody(a.value, graph) } : a];
  });

function readBody({ inputs, constants, nodes, outputs }: StoredBody, outer: Graph): Graph {
  const body = new Graph("body", undefined, outer);
  for (const [name, dtype] of inputs) body.addInput(name, dtype);
  for (const [name, constant] of constants) body.addInitializer(name, fromNdArray(readArray(constant)));
  for (const node of nodes)
    body.addNode(
      node.op,
      node.inputs.map((name) => body.get(name)),
      { outputs: node.outputs, attributes: readAttributes(node.attributes, body) },
    );
  for (const name of outputs) body.addOutput(body.get(name));
  return body;
}

export const titleOf = ({ op, attributes = {}, inputs }: KernelCase) =>
  `${op} ${inputs.map((input) => (input ? `[${input.dims}]` : "-")).join(" ")} ${Object.entries(attributes)
    .map(([key, a]) => `${key}=${typeof a.value === "object" && !Array.isArray(a.value) ? a.type : a.value}`)
    .join(" ")}`;
