import { attributesOf, opNameOf } from "../../src/graph/attributes.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { expandNode, isComposite } from "../../src/graph/expansions/expand.ts";
import { keptRange, overElements, quantizedType } from "../../src/graph/expansions/quantization.ts";
import { inferShapes } from "../../src/graph/infer.ts";
import type { Graph, Node, Value } from "../../src/graph/ir.ts";
import { interpret, type NdArray } from "../../src/graph/kernels/interpret.ts";

type Arrays = ReadonlyMap<string, NdArray>;

/**
 * A copy of a graph in which rounding adds what it added at one point, and whole numbers are real.
 *
 * It has the same value at that point, and there its ordinary derivative is what a straight-through gradient is to be:
 * round(u) becomes u + (round(u₀) − u₀), and what is cut off stays cut off.
 */
export function withFrozenRounding(source: Graph, feeds: Arrays): Graph {
  const graph = source.clone();
  inferShapes(graph);
  for (const node of composites(graph)) expandNode(graph, node);
  const known = interpret(graph, feeds, { keepAll: true });
  for (const node of [...graph.nodes]) {
    const make = smooth[node.op];
    if (!make) continue;
    const made = make(new GraphBuilder(graph, node), node, known);
    node.outputs.forEach((output, i) => {
      if (output) graph.replaceUses(output, made[i]!);
    });
  }
  return graph;
}

function* composites(graph: Graph): Generator<Node> {
  for (;;) {
    const found = graph.nodes.find((node) => isComposite(opNameOf(node)));
    if (!found) return;
    yield found;
  }
}

type Smooth = (g: GraphBuilder, node: Node, known: Arrays) => readonly Value[];

const constantOf = (g: GraphBuilder, { dtype, dims, data }: NdArray): Value =>
  g.constant([...data], dtype, dims);

/** Reals of a value that may still be whole numbers. */
const real = (g: GraphBuilder, x: Value): Value => g.cast(x, "float32");

function rounded(g: GraphBuilder, node: Node, known: Arrays, scale: Value, zero: Value | undefined): Value {
  const attrs = attributesOf(node, "QuantizeLinear");
  const x = node.inputs[0]!;
  const scaled = g.div(x, overElements(g, node, scale, x, attrs));
  const exact = zero ? g.add(scaled, real(g, overElements(g, node, zero, x, attrs))) : scaled;
  const [least, greatest] = keptRange(quantizedType(node, 0));
  const held = g.op("Clip", [exact, g.scalar(least, exact), g.scalar(greatest, exact)]);
  const probe = g.graph.clone();
  for (const output of [...probe.outputs]) probe.removeOutput(output);
  probe.addOutput(probe.get(held.name));
  const inputs = new Map([...known].filter(([name]) => probe.inputs.some((input) => input.name === name)));
  const before = interpret(probe, inputs).get(held.name)!;
  const after = known.get(node.outputs[0]!.name)!;
  const residue = after.data.map((value, i) => value - before.data[i]!);
  return g.add(held, g.constant([...residue], "float64", [...after.dims]));
}

function centred(g: GraphBuilder, x: Value, zero: Value | undefined, behind: readonly number[] = []): Value {
  if (!zero) return real(g, x);
  const zeros = real(g, zero);
  return g.sub(
    real(g, x),
    zeros.shape?.length === 1 && zeros.shape[0] !== 1 ? g.unsqueeze(zeros, behind) : zeros,
  );
}

const quantize: Smooth = (g, node, known) => [rounded(g, node, known, node.inputs[1]!, node.inputs[2])];

const smooth: { readonly [op: string]: Smooth } = {
  QuantizeLinear: quantize,
  DequantizeLinear: (g, node) => {
    const attrs = attributesOf(node, "DequantizeLinear");
    const [x, scale, zero] = node.inputs as [Value, Value, Value | undefined];
    const spread = (parameter: Value) => real(g, overElements(g, node, parameter, x, attrs));
    return [g.mul(zero ? g.sub(real(g, x), spread(zero)) : real(g, x), spread(scale))];
  },
  DynamicQuantizeLinear: (g, node, known) => {
    const [, scale, zero] = node.outputs.map((output) => constantOf(g, known.get(output!.name)!));
    return [rounded(g, node, known, scale!, zero), scale!, zero!];
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
