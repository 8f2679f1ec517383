import { DiapasonError } from "../base/errors.ts";
import type { Graph } from "./ir.ts";
import { nodeText } from "./node-text.ts";
import type { Attribute, Node, Value } from "./value.ts";

/** The body that a node holds under a name. */
export function bodyOf(node: Node, key: string): Graph {
  const attribute = node.attributes.get(key);
  return attribute?.type === "graph"
    ? attribute.value
    : badNode(node, `has no graph "${key}", which it is to run`);
}

/** Refuses a node that lacks what its operator's definition demands. */
export function badNode(node: Node, what: string): never {
  throw new DiapasonError(
    "graph/bad-node",
    `${nodeText(node)} ${what}.`,
    "Export or download the model again; the file is damaged.",
  );
}

/** The bodies of an If, Loop or Scan node. */
export function bodiesOf(node: Node): readonly Graph[] {
  return [...node.attributes.values()].flatMap((a) =>
    a.type === "graph" ? [a.value] : a.type === "graphs" ? a.value : [],
  );
}

/** Every node, those of bodies included, with the graph it is in. */
export function* withBodies(graph: Graph): Iterable<readonly [Graph, Node]> {
  for (const node of graph.nodes) {
    yield [graph, node];
    for (const body of bodiesOf(node)) yield* withBodies(body);
  }
}

/** A graph, and the bodies in it at any depth. */
export function* graphsIn(graph: Graph): Iterable<Graph> {
  yield graph;
  for (const body of graph.nodes.flatMap(bodiesOf)) yield* graphsIn(body);
}

/** Values of enclosing graphs that the bodies of a node read, each once. */
export function capturedBy(node: Node): readonly Value[] {
  const captured = new Set<Value>();
  const visit = (graph: Graph) => {
    const own = new Set<Value>([...graph.inputs, ...graph.initializers]);
    for (const inner of graph.nodes) for (const output of inner.outputs) if (output) own.add(output);
    for (const inner of graph.nodes) {
      for (const input of inner.inputs) if (input && !own.has(input)) captured.add(input);
      for (const value of capturedBy(inner)) if (!own.has(value)) captured.add(value);
    }
    for (const output of graph.outputs) if (!own.has(output)) captured.add(output);
  };
  for (const body of bodiesOf(node)) visit(body);
  return [...captured];
}

/** What a node reads: the inputs that it has, and what its bodies read from around them. */
export const readsOf = (node: Node): readonly Value[] => [
  ...node.inputs.filter((input) => input !== undefined),
  ...capturedBy(node),
];

/** An attribute for a node of another graph: bodies are copied, with their free names read there. */
export function cloneAttribute(attribute: Attribute, outer: Graph): Attribute {
  if (attribute.type === "graph") return { type: "graph", value: attribute.value.clone(outer) };
  if (attribute.type === "graphs")
    return { type: "graphs", value: attribute.value.map((g) => g.clone(outer)) };
  return attribute;
}

/** Takes a node that goes out of use, and what its bodies hold, from the use-lists of what they read. */
export function release(node: Node): void {
  for (const input of node.inputs) if (input) removeOnce(input.useList, node);
  for (const captured of capturedBy(node)) removeOnce(captured.useList, node);
  for (const body of bodiesOf(node)) for (const inner of body.nodes) release(inner);
}

/** Takes the first occurrence of an item from a list. */
export function removeOnce<T>(list: T[], item: T): void {
  const at = list.indexOf(item);
  if (at >= 0) list.splice(at, 1);
}
