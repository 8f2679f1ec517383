import { attributesOf, opNameOf } from "../attributes.ts";
import { GraphBuilder } from "../builder.ts";
import { product } from "../dim.ts";
import { knownNumbers } from "../infer/known-dims.ts";
import { inferNode } from "../infer.ts";
import type { Graph, Node, Value } from "../ir.ts";
import { type AttributesOf, type OpName, type Schema, schemas } from "../schemas.ts";

/**
 * Takes one place along an axis before what is computed of each place alone, in place of after it.
 *
 * A classifier of texts or images reads the first token of its last layer: but for keys and values, that layer then
 * computes one token instead of all, forwards and backwards. Of a network of 6 layers this is a seventh of all work.
 */
export function takeEarly(graph: Graph): void {
  for (const node of graph.nodes.toReversed()) {
    const [output, ...more] = node.outputs;
    if (!output || graph.outputs.includes(output)) continue;
    const takes = output.consumers.map((reader) => takeOf(reader, output));
    const [first] = takes.filter((take) => take !== undefined);
    if (!first) continue;
    const same = takes.filter((take) => take && take.axis === first.axis && take.at === first.at) as Take[];
    const isOnly = !more.some((value) => value && graph.isRead(value));
    const taken = isOnly && same.length === takes.length ? computedOf(graph, node, first) : undefined;
    if (taken) replace(graph, same, taken, node);
    else if (same.length > 1) replace(graph, same, gathered(graph, output, first), undefined);
  }
}

/** A Gather of one place of a value along an axis. */
interface Take {
  readonly node: Node;
  readonly axis: number;
  readonly at: number;
  /** Whether the axis is gone from what it gives. */
  readonly drops: boolean;
}

function takeOf(node: Node, value: Value): Take | undefined {
  if (opNameOf(node) !== "Gather" || node.inputs[0] !== value || !value.shape) return undefined;
  const indices = node.inputs[1];
  const [at, ...more] = knownNumbers(indices) ?? [];
  if (at === undefined || more.length > 0 || !indices?.shape || indices.shape.length > 1) return undefined;
  const { axis } = attributesOf(node, "Gather");
  return value.shape[axis] === 1 ? undefined : { node, axis, at, drops: indices.shape.length === 0 };
}

/** What a node gives at one place, from what its inputs have there; undefined where it mixes places. */
function computedOf(graph: Graph, node: Node, take: Take): Value | undefined {
  const name = opNameOf(node);
  const rule = name && ruleOf(name);
  if (!rule) return undefined;
  const g = new GraphBuilder(graph, node);
  const found = rule({ g, node, attrs: attributesOf(node, name) as never, axis: take.axis });
  if (!found) return undefined;
  const inputs = found.map((input) =>
    input && "along" in input ? g.op("Gather", [input.of, g.ints([take.at])], { axis: input.along }) : input,
  );
  const made = graph.addNode(node.op, inputs, {
    domain: node.domain,
    origin: node.origin,
    attributes: node.attributes,
    before: node,
  });
  inferNode(made);
  return made.outputs[0]!;
}

function gathered(graph: Graph, value: Value, { axis, at, node }: Take): Value {
  const g = new GraphBuilder(graph, earliest(graph, value, node));
  return g.op("Gather", [value, g.ints([at])], { axis });
}

/** The first reader of a value. */
function earliest(graph: Graph, value: Value, fallback: Node): Node {
  const readers = new Set(value.consumers);
  return graph.nodes.find((node) => readers.has(node)) ?? fallback;
}

/** Puts one value, which has the axis still, in the place of some takes, and removes what made it before. */
function replace(graph: Graph, takes: readonly Take[], taken: Value, old: Node | undefined): void {
  for (const { node, axis, drops } of takes) {
    const output = node.outputs[0]!;
    const value = drops ? new GraphBuilder(graph, node).squeeze(taken, [axis]) : taken;
    const isOutput = graph.outputs.includes(output);
    const { name } = output;
    graph.replaceUses(output, value);
    graph.removeNodes(new Set([node]));
    if (isOutput) graph.rename(value, name);
  }
  if (old) graph.removeNodes(new Set([old]));
}

/** An input as it is, or one place of it. */
type Input = Value | undefined | { readonly of: Value; readonly along: number };

/** The inputs from which an operator computes one place of its output along an axis; undefined where it cannot. */
type PlaceRule<N extends OpName = OpName> = (at: {
  readonly g: GraphBuilder;
  readonly node: Node;
  readonly attrs: AttributesOf<N>;
  readonly axis: number;
}) => readonly Input[] | undefined;

const only = (node: Node, along: number): readonly Input[] => [
  { of: node.inputs[0]!, along },
  ...node.inputs.slice(1),
];
const alone: PlaceRule = ({ node, axis }) => only(node, axis);

/** What is broadcast to the output along an axis is read whole. */
function broadcastAt(input: Value | undefined, output: Value, axis: number): Input | "unknown" {
  if (!input) return undefined;
  if (!input.shape || !output.shape) return "unknown";
  const along = axis - (output.shape.length - input.shape.length);
  if (along < 0 || input.shape[along] === 1) return input;
  return input.shape[along] === output.shape[axis] ? { of: input, along } : "unknown";
}

function known(inputs: readonly (Input | "unknown")[]): readonly Input[] | undefined {
  return inputs.every((input) => input !== "unknown") ? inputs : undefined;
}

const together: PlaceRule = ({ node, axis }) =>
  known(node.inputs.map((input) => broadcastAt(input, node.outputs[0]!, axis)));

/** A row of the left side, or one matrix of a batch. */
const multiplied: PlaceRule<"com.microsoft.FusedMatMul"> = ({ node, attrs, axis }) => {
  const [a, b] = node.inputs as readonly [Value, Value];
  const y = node.outputs[0]!;
  const ranks = [a, b, y].map(({ shape }) => shape?.length ?? 0) as [number, number, number];
  if (ranks.some((rank) => rank < 2) || attrs.transBatchA || attrs.transBatchB) return undefined;
  if (axis === ranks[2] - 1) return undefined;
  if (axis === ranks[2] - 2) return [{ of: a, along: ranks[0] - (attrs.transA ? 1 : 2) }, b];
  return known([a, b].map((side) => broadcastAt(side, y, axis)));
};

/** An axis that is on both sides, with as many elements before it. */
const reshaped: PlaceRule<"Reshape"> = ({ g, node, attrs, axis }) => {
  const [x] = node.inputs;
  const from = x?.shape;
  const to = node.outputs[0]?.shape;
  if (!x || !from || !to) return undefined;
  const before = product(to.slice(0, axis));
  const along = from.findIndex((dim, i) => dim === to[axis] && product(from.slice(0, i)) === before);
  if (along < 0) return undefined;
  // open sizes are copied where they can be; of the others one may be left to be found
  const sizes = to.map((dim, i) => {
    if (i === axis) return 1;
    if (typeof dim === "number") return dim;
    return dim === from[i] && i !== along ? 0 : -1;
  });
  const isTold = sizes.filter((size) => size < 0).length <= 1;
  if (!isTold || to.includes(0) || (attrs.allowzero === 1 && sizes.includes(0))) return undefined;
  return [{ of: x, along }, g.ints(sizes)];
};

/** Operators that compute a place of their output from the same place of an input. Others mix places, or may. */
const rules: { readonly [N in OpName]?: PlaceRule<N> } = {
  Cast: alone,
  Elu: alone,
  Erf: alone,
  Exp: alone,
  Gelu: alone,
  "com.microsoft.Gelu": alone,
  "com.microsoft.QuickGelu": alone,
  HardSwish: alone,
  LeakyRelu: alone,
  Mish: alone,
  Neg: alone,
  Relu: alone,
  Sigmoid: alone,
  Softplus: alone,
  Sqrt: alone,
  Tanh: alone,
  MatMul: (at) =>
    multiplied({ ...at, attrs: { alpha: 1, transA: 0, transB: 0, transBatchA: 0, transBatchB: 0 } }),
  "com.microsoft.FusedMatMul": multiplied,
  LayerNormalization: ({ node, attrs, axis }) => (axis < attrs.axis ? only(node, axis) : undefined),
  SimplifiedLayerNormalization: ({ node, attrs, axis }) => (axis < attrs.axis ? only(node, axis) : undefined),
  Softmax: ({ node, attrs, axis }) => (axis === attrs.axis ? undefined : only(node, axis)),
  Transpose: ({ node, attrs, axis }) => only(node, attrs.perm[axis]!),
  Reshape: reshaped,
};

function ruleOf(name: OpName): PlaceRule | undefined {
  if ((schemas[name] as Schema).broadcast === "all") return together;
  return rules[name] as PlaceRule | undefined;
}
