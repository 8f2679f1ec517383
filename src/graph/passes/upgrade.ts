import { int64Attribute } from "../attributes.ts";
import type { Attribute, Graph, Node, Value } from "../ir.ts";
import { float32, type Tensor } from "../tensor.ts";

/**
 * How an operator of an older opset is brought to its spelling at opset 21.
 *
 * `before`: graphs below this opset need it. `needsShapes`: what it does depends on types or shapes. `isFirst`: it comes
 * before shapes are inferred, whose rules do not know the old spelling. `rewrite`: in place; gives the reason where it
 * cannot. `refused`: the reason, where no rewriting exists. Source: ONNX's operator changelog; operators that only gained
 * types, optional inputs or attributes whose default is the old behaviour have no row.
 */
export type Upgrade = {
  readonly before: number;
  readonly needsShapes?: boolean;
  readonly isFirst?: boolean;
} & (
  | { readonly rewrite: (graph: Graph, node: Node, from: number) => string | undefined }
  | { readonly refused: string }
);

/** An attribute of whole numbers becomes an input. */
export const asInput = (key: string, input: number, before: number): Upgrade => ({
  before,
  rewrite: (graph, node) => {
    const tensor = int64Attribute(node, key);
    if (tensor && !node.inputs[input]) graph.setNodeInput(node, input, constant(graph, key, tensor));
    graph.setAttribute(node, key, undefined);
    return undefined;
  },
});

/** A new initializer named after what it holds. */
export const constant = (graph: Graph, name: string, tensor: Tensor): Value =>
  graph.addInitializer(graph.freshName(name), tensor);

export const numberOf = (node: Node, key: string): number | undefined => {
  const attribute = node.attributes.get(key);
  return attribute?.type === "float" || attribute?.type === "int" ? Number(attribute.value) : undefined;
};
export const textOf = (node: Node, key: string): string | undefined => {
  const attribute = node.attributes.get(key);
  return attribute?.type === "string" ? String(attribute.value) : undefined;
};
export const int = (value: number): Attribute => ({ type: "int", value });
export const string = (value: string): Attribute => ({ type: "string", value });

/** A number attribute becomes a scalar input of the type of the first input, which older opsets had as float32. */
export function scalarAsInput(graph: Graph, node: Node, key: string, input: number): void {
  const value = numberOf(node, key);
  graph.setAttribute(node, key, undefined);
  if (value === undefined) return;
  const scalar = constant(graph, key, float32([], [value]));
  const [data] = node.inputs;
  const like = data && data.dtype !== "float32" ? castLike(graph, node, scalar, data) : scalar;
  graph.setNodeInput(node, input, like);
}

function castLike(graph: Graph, node: Node, value: Value, like: Value): Value {
  const output = graph.addNode("CastLike", [value, like], { before: node }).outputs[0]!;
  output.dtype = like.dtype;
  output.shape = value.shape;
  return output;
}

/** Puts nodes in the place of one: `make` gives the values that replace its outputs, which keep their names. */
export function replaceNode(graph: Graph, node: Node, make: () => readonly (Value | undefined)[]): void {
  const made = make();
  const names = node.outputs.map((output, i) => {
    const value = made[i];
    if (!output || !value) return undefined;
    value.dtype = output.dtype;
    value.shape = output.shape;
    graph.replaceUses(output, value);
    return output.name;
  });
  graph.removeNodes(new Set([node]));
  made.forEach((value, i) => {
    if (value && names[i] !== undefined) graph.rename(value, names[i]);
  });
}
