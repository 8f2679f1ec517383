import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { opNameOf } from "../attributes.ts";
import { isComposite } from "../expansions/expand.ts";
import { inferNode } from "../infer.ts";
import { type Attribute, Graph, type Node } from "../ir.ts";
import { schemas } from "../schemas.ts";
import type { DataType } from "../tensor.ts";
import { fromNdArray, type NdArray, runNode } from "./interpret.ts";
import { isFloat } from "./nd-array.ts";

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
interface Case {
  /** With its domain, as in the operator table. */
  readonly op: string;
  readonly attributes?: { readonly [name: string]: StoredAttribute };
  readonly inputs: readonly (StoredArray | null)[];
  readonly outputs: readonly (StoredArray | null)[];
}

/** One-node models with what ONNX Runtime computes for them; see tools/fixtures/kernels*.py. */
const folder = new URL("../../../tests/fixtures/kernels/", import.meta.url);
const cases = readdirSync(folder).flatMap(
  (file) =>
    (JSON.parse(readFileSync(new URL(file, folder), "utf8")) as { readonly cases: readonly Case[] }).cases,
);

const read = ({ dtype, dims, data }: StoredArray): NdArray => ({
  dtype,
  dims,
  data: Float64Array.from(data, Number),
});

/** The node alone in a graph whose inputs have no known shape: the kernel must take all sizes from the arrays. */
function nodeOf({ op, attributes = {}, inputs, outputs }: Case): Node {
  const graph = new Graph("one node");
  const at = op.lastIndexOf(".");
  return graph.addNode(
    op.slice(at + 1),
    inputs.map((input, i) => (input ? graph.addInput(`x${i}`, input.dtype) : undefined)),
    {
      domain: op.slice(0, Math.max(0, at)),
      attributes: readAttributes(attributes, graph),
      outputs: outputs.map((output, i) => (output ? `y${i}` : "")),
    },
  );
}

const readAttributes = (attributes: { readonly [name: string]: StoredAttribute }, graph: Graph) =>
  Object.entries(attributes).map(([key, a]): [string, Attribute] => {
    if (a.type === "tensor") return [key, { ...a, value: fromNdArray(read(a.value)) }];
    return [key, a.type === "graph" ? { ...a, value: readBody(a.value, graph) } : a];
  });

function readBody({ inputs, constants, nodes, outputs }: StoredBody, outer: Graph): Graph {
  const body = new Graph("body", undefined, outer);
  for (const [name, dtype] of inputs) body.addInput(name, dtype);
  for (const [name, constant] of constants) body.addInitializer(name, fromNdArray(read(constant)));
  for (const node of nodes)
    body.addNode(
      node.op,
      node.inputs.map((name) => body.get(name)),
      { outputs: node.outputs, attributes: readAttributes(node.attributes, body) },
    );
  for (const name of outputs) body.addOutput(body.get(name));
  return body;
}

/** The reference is float32, so 1e-5 of the number, or of 1 for sums that cancel out. */
function isNear(found: number, expected: number, dtype: DataType): boolean {
  if (Object.is(found, expected) || found === expected) return true;
  return isFloat(dtype) && Math.abs(found - expected) <= 1e-5 * Math.max(1, Math.abs(expected));
}

const title = ({ op, attributes = {}, inputs }: Case) =>
  `${op} ${inputs.map((input) => (input ? `[${input.dims}]` : "-")).join(" ")} ${Object.entries(attributes)
    .map(([key, a]) => `${key}=${typeof a.value === "object" && !Array.isArray(a.value) ? a.type : a.value}`)
    .join(" ")}`;

describe("kernels give what ONNX Runtime gives", () => {
  test.each(cases.map((c, i) => [`${i} ${title(c)}`, c] as const))("%s", (_, row) => {
    const found = runNode(
      nodeOf(row),
      row.inputs.map((input) => (input ? read(input) : undefined)),
    );
    expect(found.length).toBe(row.outputs.length);
    for (const [i, stored] of row.outputs.entries()) {
      const output = found[i];
      if (!stored) {
        expect(output).toBeUndefined();
        continue;
      }
      const expected = read(stored);
      expect([output!.dtype, output!.dims]).toEqual([expected.dtype, expected.dims]);
      const wrong = [...expected.data].flatMap((value, k) =>
        isNear(output!.data[k]!, value, expected.dtype)
          ? []
          : [`[${k}] ${output!.data[k]}, expected ${value}`],
      );
      expect(wrong).toEqual([]);
      expect(output!.data.length).toBe(expected.data.length);
    }
  });
});

test.each(
  cases.filter((row) => isComposite(opNameOf(nodeOf(row)))).map((c, i) => [`${i} ${title(c)}`, c] as const),
)("the shape of a composite operator is that of its outputs: %s", (_, row) => {
  const node = nodeOf(row);
  for (const [i, input] of row.inputs.entries()) {
    const value = node.inputs[i];
    if (!value || !input) continue;
    value.shape = input.dims;
    // what is not float, and the factors of a Resize, are parameters of the operator, as a file's initializers are
    if (!isFloat(input.dtype) || (row.op === "Resize" && i > 0)) value.constant = fromNdArray(read(input));
  }
  inferNode(node);
  for (const [i, stored] of row.outputs.entries())
    if (stored) expect([node.outputs[i]!.dtype, node.outputs[i]!.shape]).toEqual([stored.dtype, stored.dims]);
});

test("every operator of the table has a case", () => {
  const covered = new Set(cases.map((row) => opNameOf(nodeOf(row))));
  expect(Object.keys(schemas).filter((name) => !covered.has(name as keyof typeof schemas))).toEqual([]);
});
