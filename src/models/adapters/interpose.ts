import { bug } from "../../base/errors.ts";
import { GraphBuilder } from "../../graph/builder.ts";
import type { Graph, Node, Value } from "../../graph/ir.ts";

/**
 * Puts something between a value and everything that reads it; the new value takes over the name.
 *
 * `build` may read the value. What it appends stands right behind the value's producer.
 */
export function interpose(
  graph: Graph,
  value: Value,
  build: (g: GraphBuilder, value: Value) => Value,
): Value {
  const before = new Set(value.consumers);
  const isOutput = graph.outputs.includes(value);
  const made = build(builderBehind(graph, value), value);
  const own = new Set<Node>(value.consumers.filter((reader) => !before.has(reader)));
  const places = [...own].map((node) => [node, node.inputs.map((input) => input === value)] as const);
  graph.replaceUses(value, made, { outputs: isOutput });
  for (const [node, reads] of places)
    for (const [index, isRead] of reads.entries()) if (isRead) graph.setNodeInput(node, index, value);
  const { name } = value;
  graph.rename(value, graph.freshName(`${name}.base`));
  graph.rename(made, name);
  return made;
}

/** A builder that appends right behind what makes a value; of an input, before everything. */
export function builderBehind(graph: Graph, value: Value): GraphBuilder {
  const at = value.producer ? graph.nodes.indexOf(value.producer) : -1;
  if (value.producer && at < 0) bug(`"${value.name}" is made by a node of another graph`);
  return new GraphBuilder(graph, graph.nodes[at + 1]);
}
