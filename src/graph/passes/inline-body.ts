import type { Graph, Node, Value } from "../ir.ts";
import { carryType } from "../value.ts";

/**
 * Puts copies of a body's nodes before a node of the graph around it; `values` are what the body's inputs read. Constants
 * and values keep their names where those are free. Result: what the body gives.
 */
export function inlineBody(
  graph: Graph,
  body: Graph,
  before: Node,
  values: readonly Value[] = [],
): readonly Value[] {
  // A copy, because names change; what it reads of the graph around it is found by name.
  const copy = body.clone(graph);
  for (const [i, input] of copy.inputs.entries()) if (values[i]) copy.replaceUses(input, values[i]);
  const own = [...copy.initializers, ...copy.nodes.flatMap((inner) => inner.outputs)];
  for (const value of own)
    if (value && graph.find(value.name)) copy.rename(value, freeName(value.name, graph, copy));
  for (const value of copy.initializers) carryType(value, graph.addInitializer(value.name, value.constant!));
  graph.adopt(copy.nodes, { before });
  const results = copy.outputs.map(({ name }) => graph.get(name));
  copy.discard();
  return results;
}

/** Readers of `from` read `to`; an output of the graph keeps its name. */
export function handOver(graph: Graph, from: Value, to: Value, before: Node): void {
  const name = from.name;
  const isOutput = graph.outputs.includes(from);
  const value = isOutput ? graph.addNode("Identity", [to], { before }).outputs[0]! : to;
  if (isOutput) Object.assign(value, { dtype: to.dtype, shape: to.shape, opaqueType: from.opaqueType });
  graph.replaceUses(from, value);
  if (!isOutput) return;
  graph.rename(from, graph.freshName(`${name}_body`));
  graph.rename(value, name);
}

function freeName(base: string, ...graphs: readonly Graph[]): string {
  for (let i = 1; ; i++) {
    const name = `${base}_${i}`;
    if (graphs.every((graph) => !graph.find(name))) return name;
  }
}
