import { entryOf } from "../base/entry-of.ts";
import { DiapasonError } from "../base/errors.ts";
import { attributesOf, opNameOf } from "../graph/attributes.ts";
import { encode } from "../graph/builder/encode.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { expandNode, isComposite } from "../graph/expansions/expand.ts";
import { keptRange, overElements, quantizedType } from "../graph/expansions/quantization.ts";
import { inferShapes } from "../graph/infer.ts";
import type { Graph, Node, Value } from "../graph/ir.ts";
import { interpret, type NdArray } from "../graph/kernels/interpret.ts";
import { removeDead } from "../graph/passes/remove-dead.ts";

type Arrays = ReadonlyMap<string, NdArray>;

/**
 * A copy of a graph in which rounding adds what it added at one point, whole numbers are real, and the regions that a RoiAlign
 * reads stay where they are; the graph itself where there is nothing of the kind.
 *
 * It has the same value at that point, and there its ordinary derivative is what the rules are to give: of a
 * straight-through gradient round(u) becomes u + (round(u₀) − u₀), and what is cut off stays cut off.
 *
 * Rounded numbers are often equal, and a maximum of equals has no slope. `back`, 0 … 1: the share of the way that they go
 * back to what they were, which puts them beside such ties.
 */
export function withFrozenRounding(source: Graph, feeds: Arrays, back = 0): Graph {
  const graph = source.clone();
  inferShapes(graph);
  const holds = holdRegions(graph, feeds);
  takeApart(graph);
  if (!graph.nodes.some(({ op }) => Object.hasOwn(held, op))) return holds ? graph : source;
  const before = new Map<Node, Rounded>();
  const nodes = [...graph.nodes];
  for (const [i, node] of nodes.entries()) {
    const make = entryOf(held, node.op);
    if (make) before.set(node, make(new GraphBuilder(graph, nodes[i + 1]), node));
  }
  const sources = new Map(nodes.map((node) => [node, before.get(node.inputs[0]?.producer ?? node)]));
  const known = interpret(graph, feeds, { keepAll: true });
  for (const rounded of before.values()) goBack(rounded, known, back);
  const bends = nodes
    .filter(({ op }) => bent.has(op))
    .map((node) => [node, known.get(node.inputs[0]!.name)!] as const);
  for (const [i, node] of nodes.entries()) {
    const made = entryOf(smooth, node.op)?.(new GraphBuilder(graph, nodes[i + 1]), node, {
      known,
      held: before.get(node),
      source: sources.get(node),
    });
    if (!made) continue;
    node.outputs.forEach((output, i) => {
      if (output) graph.replaceUses(output, made[i]!);
    });
  }
  for (const [node, at] of bends) stepLeft(new GraphBuilder(graph, node), node, at);
  removeDead(graph);
  for (const [i, output] of graph.outputs.entries()) {
    const { name } = source.outputs[i]!;
    if (output.name !== name) graph.rename(output, name);
  }
  return graph;
}

/** Makes constants of the regions of every RoiAlign, as its rule takes them; whether there was one. */
function holdRegions(graph: Graph, feeds: Arrays): boolean {
  const nodes = graph.nodes.filter(({ op, inputs }) => op === "RoiAlign" && inputs[1]?.producer);
  if (nodes.length === 0) return false;
  const known = interpret(graph, feeds, { keepAll: true });
  for (const node of nodes) {
    const regions = known.get(node.inputs[1]!.name)!;
    graph.setNodeInput(
      node,
      1,
      constantOf(new GraphBuilder(graph), "regions", { ...regions, dtype: "float64" }),
    );
  }
  removeDead(graph);
  return true;
}

/** Operators that bend at 0, and whose rules have there the slope that they have to the left of it. */
const bent: ReadonlySet<string> = new Set(["Relu", "LeakyRelu", "PRelu"]);

/** Rounded values often stand on the bend, where a difference to both sides is no slope: they go a little to the left of it. */
function stepLeft(g: GraphBuilder, node: Node, { data, dims }: NdArray): void {
  if (!data.includes(0)) return;
  const least = data.reduce((a, b) => (b === 0 ? a : Math.min(a, Math.abs(b))), 1);
  const steps = data.map((value) => (value === 0 ? -1e-4 * least : 0));
  const beside = constantOf(g, "beside", { dtype: "float64", dims, data: steps });
  g.graph.setNodeInput(node, 0, g.add(node.inputs[0]!, beside));
}

/** Puts what composite nodes are made of in their places; one whose form cannot be taken apart stays, and rounds nothing. */
function takeApart(graph: Graph): void {
  const tried = new Set<Node>();
  for (;;) {
    const node = graph.nodes.find((one) => !tried.has(one) && isComposite(opNameOf(one)));
    if (!node) return;
    tried.add(node);
    try {
      expandNode(graph, node);
    } catch (error) {
      if (!(error instanceof DiapasonError && error.code === "graph/no-expansion")) throw error;
    }
  }
}

/** What a node rounds: the real numbers in units of its scale, and the same around its zero point. */
interface Rounded {
  readonly node: Node;
  readonly scaled: Value;
  readonly exact: Value;
}

/** What is known at the point: all values, what a node rounds, and what was rounded to its first input. */
interface Point {
  readonly known: Arrays;
  readonly held: Rounded | undefined;
  readonly source: Rounded | undefined;
}
type Smooth = (g: GraphBuilder, node: Node, point: Point) => readonly Value[];

const constantOf = (g: GraphBuilder, name: string, { dtype, dims, data }: NdArray): Value =>
  g.graph.addInitializer(g.graph.freshName(name), encode(dtype, dims, [...data]));

/** Reals of a value that may still be whole numbers. */
const real = (g: GraphBuilder, x: Value): Value => g.cast(x, "float32");

function unrounded(g: GraphBuilder, node: Node, scale: Value, zero: Value | undefined): Rounded {
  const attrs = attributesOf(node, "QuantizeLinear");
  const x = node.inputs[0]!;
  const scaled = g.div(x, overElements(g, scale, x, attrs));
  const exact = zero ? g.add(scaled, real(g, overElements(g, zero, x, attrs))) : scaled;
  return { node, scaled, exact };
}

/** What a node rounds, by its operator. */
const held: { readonly [op: string]: (g: GraphBuilder, node: Node) => Rounded } = {
  QuantizeLinear: (g, node) => unrounded(g, node, node.inputs[1]!, node.inputs[2]),
  DynamicQuantizeLinear: (g, node) => unrounded(g, node, node.outputs[1]!, node.outputs[2]),
};

/**
 * What a node rounded at the point, as constants, and by how much that has moved: not at all where it was cut off.
 *
 * They are two values because a scale may be so large (of a mask of −3·10³⁸) that the sum shows nothing of a small step.
 */
function parted(g: GraphBuilder, { node, scaled, exact }: Rounded, known: Arrays): [whole: Value, by: Value] {
  const dtype = quantizedType(node, 0);
  const [least, greatest] = keptRange(dtype);
  const isHeld = (value: number) =>
    value >= least && (dtype.startsWith("float") ? value <= greatest : value < greatest);
  const fixed = (name: string, { dims }: NdArray, data: Float64Array) =>
    constantOf(g, name, { dtype: "float64", dims, data });
  const [from, at] = [known.get(scaled.name)!, known.get(exact.name)!];
  const slope = fixed(
    "held",
    at,
    at.data.map((value) => (isHeld(value) ? 1 : 0)),
  );
  const by = g.mul(g.sub(scaled, fixed("from", from, from.data)), slope);
  const whole = known.get(node.outputs[0]!.name)!;
  return [fixed("rounded", whole, whole.data), by];
}

/** Moves what a node rounded within the numbers that round to the same. */
function goBack({ node, exact }: Rounded, known: Map<string, NdArray>, share: number): void {
  if (share === 0) return;
  const { name } = node.outputs[0]!;
  const [whole, at] = [known.get(name)!, known.get(exact.name)!];
  const data = whole.data.map((value, i) => {
    const removed = at.data[i]! - value;
    return Math.abs(removed) <= 0.5 ? value + share * removed : value;
  });
  known.set(name, { ...whole, data });
}

function rounded(g: GraphBuilder, _: Node, { known, held }: Point): Value {
  const [whole, by] = parted(g, held!, known);
  return g.add(by, whole);
}

function centred(g: GraphBuilder, x: Value, zero: Value | undefined, behind: readonly number[] = []): Value {
  if (!zero) return real(g, x);
  const zeros = real(g, zero);
  return g.sub(
    real(g, x),
    zeros.shape?.length === 1 && zeros.shape[0] !== 1 ? g.unsqueeze(zeros, behind) : zeros,
  );
}

const smooth: { readonly [op: string]: Smooth } = {
  QuantizeLinear: (g, node, point) => [rounded(g, node, point)],
  DequantizeLinear: (g, node, { known, source }) => {
    const attrs = attributesOf(node, "DequantizeLinear");
    const [x, scale, zero] = node.inputs as [Value, Value, Value | undefined];
    const spread = (parameter: Value) => real(g, overElements(g, parameter, x, attrs));
    const [whole, by] = source ? parted(g, source, known) : [real(g, x)];
    const centred = zero ? g.sub(whole, spread(zero)) : whole;
    return [g.mul(by ? g.add(by, centred) : centred, spread(scale))];
  },
  // the scale is measured: a constant
  DynamicQuantizeLinear: (g, node, point) => {
    const [, scale, zero] = node.outputs.map((output) =>
      constantOf(g, "measured", point.known.get(output!.name)!),
    );
    return [rounded(g, node, point), scale!, zero!];
  },
  MatMulInteger: (g, node) => {
    const [a, b, aZero, bZero] = node.inputs;
    return [g.matmul(centred(g, a!, aZero, [1]), centred(g, b!, bZero))];
  },
  ConvInteger: (g, node) => {
    const [x, w, xZero, wZero] = node.inputs;
    const kernel = centred(g, w!, wZero, [1, 2, 3]);
    const attributes = Object.fromEntries([...node.attributes].map(([key, a]) => [key, a.value as never]));
    return [g.op("Conv", [centred(g, x!, xZero), kernel], attributes)];
  },
};
