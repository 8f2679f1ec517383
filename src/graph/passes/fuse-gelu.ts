import { knownNumbers } from "../infer/known-dims.ts";
import type { Graph, Node, Value } from "../ir.ts";

/**
 * Writes x·½(1 + erf(x/√2)) as one Gelu, however its factors were ordered by the exporter.
 *
 * A training graph must keep what its gradient reads: of the chain that is four arrays, of a Gelu its input alone.
 */
export function fuseGelu(graph: Graph): void {
  for (const erf of graph.nodes.filter(({ op, domain }) => op === "Erf" && domain === "")) {
    const found = chainFrom(erf);
    if (!found) continue;
    const { x, end } = found;
    const y = end.outputs[0]!;
    const gelu = graph.addNode("Gelu", [x], { domain: "com.microsoft", before: end }).outputs[0]!;
    gelu.dtype = y.dtype;
    gelu.shape = y.shape;
    graph.opsets.set("com.microsoft", graph.opsets.get("com.microsoft") ?? 1);
    const isOutput = graph.outputs.includes(y);
    const { name } = y;
    graph.replaceUses(y, gelu);
    graph.removeNodes(new Set([end]));
    if (isOutput) graph.rename(gelu, name);
  }
}

/** What goes in, and the node whose output is x·½(1 + erf(x/√2)). */
function chainFrom(erf: Node): { readonly x: Value; readonly end: Node } | undefined {
  const scaled = erf.inputs[0]?.producer;
  const x = scaled && factor(scaled, Math.SQRT1_2);
  const sum = onlyReader(erf.outputs[0]);
  const raised = sum?.op === "Add" && other(sum, erf.outputs[0]!);
  if (!x || !sum || !raised || !isNumber(raised, 1)) return undefined;
  // two multiplications are left, by x and by ½, in any order; x may come halved
  const first = onlyReader(sum.outputs[0]);
  if (first?.op !== "Mul" || first.domain !== "") return undefined;
  const by = other(first, sum.outputs[0]!);
  if (!by) return undefined;
  if (by.producer && factor(by.producer, 0.5) === x) return { x, end: first };
  const second = onlyReader(first.outputs[0]);
  if (second?.op !== "Mul" || second.domain !== "") return undefined;
  const last = other(second, first.outputs[0]!);
  const isGelu = (by === x && isNumber(last, 0.5)) || (isNumber(by, 0.5) && last === x);
  return isGelu ? { x, end: second } : undefined;
}

/** x of x·c, c·x or x/(1/c). */
function factor(node: Node, c: number): Value | undefined {
  const [a, b] = node.inputs;
  if (node.domain !== "") return undefined;
  if (node.op === "Div") return isNumber(b, 1 / c) ? a : undefined;
  if (node.op !== "Mul") return undefined;
  return isNumber(b, c) ? a : isNumber(a, c) ? b : undefined;
}

/** Whether a value is one constant number, as precisely as exporters write it. */
function isNumber(value: Value | undefined, number: number): boolean {
  const [found, ...more] = (value && knownNumbers(value)) ?? [];
  return found !== undefined && more.length === 0 && Math.abs(found - number) < 1e-4 * number;
}

const other = ({ inputs: [a, b] }: Node, one: Value): Value | undefined => (a === one ? b : a);

function onlyReader(value: Value | undefined): Node | undefined {
  const [reader, ...more] = value?.consumers ?? [];
  return reader && more.length === 0 ? reader : undefined;
}
