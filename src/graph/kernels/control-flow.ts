import type { Graph, Node } from "../ir.ts";
import { unsupported } from "./kernel.ts";
import { type NdArray, ndArray } from "./nd-array.ts";

/** Computes the body of a node: its inputs by name in, its outputs in order out. */
type RunBody = (body: Graph, feeds: ReadonlyMap<string, NdArray>) => readonly NdArray[];
type Control = (node: Node, inputs: readonly (NdArray | undefined)[], run: RunBody) => readonly NdArray[];

function bodyOf(node: Node, key: string): Graph {
  const attribute = node.attributes.get(key);
  return attribute?.type === "graph" ? attribute.value : unsupported(node, `lacks its body "${key}"`);
}

const branch: Control = (node, [condition], run) =>
  run(bodyOf(node, condition?.data[0] ? "then_branch" : "else_branch"), new Map());

/** Inputs: trip count?, condition?, carried values. Outputs: carried values, then one row of each scan output a turn. */
const loop: Control = (node, [limit, condition, ...initial], run) => {
  const body = bodyOf(node, "body");
  let carried = initial as NdArray[];
  let goes = condition?.data[0] ?? 1;
  const rows: NdArray[][] = [];
  for (let turn = 0; goes && turn < (limit?.data[0] ?? Number.POSITIVE_INFINITY); turn++) {
    const values = [ndArray("int64", [], [turn]), ndArray("bool", [], [goes]), ...carried];
    const [next, ...made] = run(body, new Map(body.inputs.map((input, i) => [input.name, values[i]!])));
    goes = next!.data[0]!;
    carried = made.slice(0, carried.length);
    rows.push(made.slice(carried.length));
  }
  const scans = body.outputs.slice(1 + carried.length).map((output, i) => {
    const each = rows.map((row) => row[i]!);
    const [first] = each;
    if (!first) return ndArray(output.dtype ?? "float32", [0], []);
    const data = new Float64Array(first.data.length * each.length);
    for (const [turn, row] of each.entries()) data.set(row.data, turn * first.data.length);
    return ndArray(first.dtype, [each.length, ...first.dims], data);
  });
  return [...carried, ...scans];
};

/** The operators that have bodies, by name. */
export const controlFlow: { readonly [op: string]: Control | undefined } = {
  If: branch,
  Loop: loop,
  Scan: (node) => unsupported(node, "is a Scan, of which only runtimes know the body's order"),
};
