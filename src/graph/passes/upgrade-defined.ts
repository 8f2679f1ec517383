import { GraphBuilder } from "../builder.ts";
import type { Graph, Node, Value } from "../ir.ts";
import { isFloat } from "../kernels/nd-array.ts";
import { int, numberOf, replaceNode, type Upgrade } from "./upgrade.ts";

/**
 * An operator that ONNX Runtime has for float32 alone and otherwise writes in others, as ONNX defines it, in the opset it
 * came in but not in later ones: those are written here. `make` gives what takes the node's place; nothing of float32.
 */
const asDefined = (
  make: (graph: Graph, node: Node) => (() => readonly (Value | undefined)[]) | undefined,
): Upgrade => ({
  before: Number.POSITIVE_INFINITY,
  needsShapes: true,
  rewrite: (graph, node) => {
    const made = make(graph, node);
    if (made) replaceNode(graph, node, made);
    return undefined;
  },
});

const halves: ReadonlySet<number> = new Set([10, 16]);

/** A window of half precision is one of float32, rounded. */
const window = asDefined((graph, node) => {
  const to = numberOf(node, "output_datatype") ?? 1;
  if (!halves.has(to)) return undefined;
  return () => {
    const attributes = new Map([...node.attributes, ["output_datatype", int(1)]]);
    const options = { name: node.name, attributes, before: node };
    const whole = graph.addNode(node.op, node.inputs, options).outputs[0]!;
    Object.assign(whole, { dtype: "float32", shape: node.outputs[0]?.shape });
    return graph.addNode("Cast", [whole], { attributes: [["to", int(to)]], before: node }).outputs;
  };
});

/** x where it is above 0, elsewhere times its slope. */
const prelu = asDefined((graph, node) => {
  const [x, slope] = node.inputs;
  if (!x?.dtype || x.dtype === "float32" || !isFloat(x.dtype)) return undefined;
  return () => {
    const g = new GraphBuilder(graph, node);
    return [g.where(g.greater(x, 0), x, g.mul(x, slope!))];
  };
});

export const definedUpgrades: { readonly [op: string]: Upgrade } = {
  BlackmanWindow: window,
  HammingWindow: window,
  HannWindow: window,
  PRelu: prelu,
};
