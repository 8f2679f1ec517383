import { attributesOf, fillOf, fromFront, opNameOf } from "../graph/attributes.ts";
import { GraphBuilder, range } from "../graph/builder.ts";
import type { Dim } from "../graph/dim.ts";
import { dataTypeOf } from "../graph/element-types.ts";
import { replaceNode } from "../graph/expansions/expand.ts";
import { inferNode } from "../graph/infer.ts";
import type { Graph, Node, Value } from "../graph/ir.ts";
import type { AttributesOf, OpName } from "../graph/schemas.ts";
import { sizeOf } from "../graph/tensor.ts";
import { roundsUpInVain, windowOf } from "../graph/window.ts";

/** What stands for the outputs of a node where a device has no kernel of it; undefined where its use does not allow that. */
type Lowering<N extends OpName> = (call: {
  readonly g: GraphBuilder;
  readonly node: Node;
  readonly x: readonly Value[];
  readonly attrs: AttributesOf<N>;
}) => readonly (Value | undefined)[] | undefined;

/**
 * Operators that the CPU runs fast, and that are therefore not written out before, in others that any device has. Whole
 * numbers become int32: GPUs have no int64.
 */
const lowerings: { readonly [N in OpName]?: Lowering<N> } = {
  "com.microsoft.FusedMatMul": ({ g, x: [a, b], attrs }) => {
    const { alpha, transA, transB } = attrs;
    const [rankA, rankB] = [a!.shape?.length, b!.shape?.length];
    if (attrs.transBatchA || attrs.transBatchB || rankA === undefined || rankB === undefined)
      return undefined;
    if (rankA === 2 && rankB === 2) return [g.op("Gemm", [a!, b!], { alpha, transA, transB })];
    // A vector has no last two axes; transA and transB leave it as it is.
    const side = (value: Value, rank: number, isSwapped: boolean) =>
      isSwapped && rank > 1 ? g.swap(value) : value;
    const product = g.matmul(side(a!, rankA, Boolean(transA)), side(b!, rankB, Boolean(transB)));
    return [alpha === 1 ? product : g.mul(product, g.scalar(alpha, product))];
  },
  Sum: ({ g, x }) => [x.reduce((sum, term) => g.add(sum, term))],
  Cast: ({ g, x: [x], attrs: { to } }) =>
    dataTypeOf(to) === "int64" && x!.dtype !== "int32" ? [g.cast(g.cast(x!, "int32"), "int64")] : undefined,
  Sign: ({ g, x: [x] }) => {
    const zero = g.scalar(0, x!);
    return [g.sub(g.cast(g.op("Greater", [x!, zero]), x!), g.cast(g.op("Less", [x!, zero]), x!))];
  },
  Size: ({ g, x: [x] }) => [g.op("ReduceProd", [g.shapeOf(x!)], { keepdims: 0 })],
  ConstantOfShape: ({ g, node, x: [shape] }) => {
    const fill = g.tensor({ ...fillOf(node), dims: [] }, `fill of ${node.outputs[0]!.name}`);
    return [g.op("Expand", [fill, shape!])];
  },
  MaxPool: pooledWithIndices,
  BatchNormalization: ({ g, x: [x, scale, bias, mean, variance], attrs }) => {
    const rank = x!.shape?.length;
    if (!attrs.training_mode || rank === undefined) return undefined;
    const rest = range(rank).filter((axis) => axis !== 1);
    const channels = (vector: Value) => g.reshape(vector, [-1, ...rest.slice(1).map(() => 1)]);
    const now = g.mean(x!, rest, true);
    const centred = g.sub(x!, now);
    const spread = g.mean(g.mul(centred, centred), rest, true);
    const deviation = g.op("Sqrt", [g.add(spread, g.scalar(attrs.epsilon, spread))]);
    const y = g.add(g.mul(g.div(centred, deviation), channels(scale!)), channels(bias!));
    const moved = (old: Value, found: Value) =>
      g.add(
        g.mul(old, g.scalar(attrs.momentum, old)),
        g.mul(g.squeeze(found, rest), g.scalar(1 - attrs.momentum, old)),
      );
    return [y, moved(mean!, now), moved(variance!, spread)];
  },
  LogSoftmax: ({ g, x: [x], attrs: { axis } }) => [logSoftmax(g, x!, axis)],
  OneHot: ({ g, x: [indices, depth, values], attrs: { axis } }) => {
    const rank = indices!.shape?.length;
    if (rank === undefined) return undefined;
    const count = g.reshape(g.cast(depth!, "int32"), []);
    const index = g.cast(indices!, "int32");
    const zero = g.scalar(0, index);
    const fromFirst = g.where(g.op("Less", [index, zero]), g.add(index, count), index);
    const [off, on] = [0, 1].map((at) => g.slice(values!, [0], [at], [at + 1]));
    return [g.where(isClass(g, fromFirst, count, fromFront(axis, rank + 1), rank + 1), on!, off!)];
  },
  NegativeLogLikelihoodLoss: ({ g, x: [logs, labels, weights], attrs }) => {
    const loss = weights ? undefined : labelLoss(g, logs!, labels!, attrs);
    return loss && [loss];
  },
  SoftmaxCrossEntropyLoss: ({ g, node, x: [scores, labels, weights], attrs }) => {
    if (weights || !scores!.shape) return undefined;
    const logs = logSoftmax(g, scores!, 1);
    return [labelLoss(g, logs, labels!, attrs), node.outputs[1] && logs];
  },
};

/** The maxima of the pool itself, and the place of the first pixel of each window that equals its maximum. */
function pooledWithIndices({
  g,
  node,
  x: [x],
  attrs,
}: Parameters<Lowering<"MaxPool">>[0]): readonly Value[] | undefined {
  const window = windowOf(node);
  const sizes = x!.shape?.slice(2);
  const { kernel = [], strides = [], dilations = [], pads = [], output: outputs = [] } = window ?? {};
  if (
    !node.outputs[1] ||
    attrs.storage_order !== 0 ||
    !sizes?.every(isNumber) ||
    !window ||
    !outputs.every(isNumber)
  )
    return undefined;
  const y = g.graph.addNode("MaxPool", [x!], {
    outputs: [g.graph.freshName("pooled")],
    attributes: [...node.attributes].filter(([key]) => key !== "ceil_mode" || !roundsUpInVain(node)),
    before: node,
  }).outputs[0]!;
  inferNode(y.producer!);
  const ends = sizes.map((size, i) =>
    Math.max(0, (outputs[i]! - 1) * strides[i]! + (kernel[i]! - 1) * dilations[i]! + 1 - size - pads[i]!),
  );
  const axes = sizes.map((_, i) => i + 2);
  const around = g.ints([0, 0, ...pads.slice(0, sizes.length), 0, 0, ...ends]);
  const padded = g.op("Pad", [x!, around, g.scalar(Number.NEGATIVE_INFINITY, x!)]);
  /** Where, in an image, the windows have a pixel; pixels of the padding get the number of another. */
  const places = (tap: readonly number[]) => {
    const along = sizes.map((_, i) =>
      range(outputs[i]!).map((at) => at * strides[i]! + tap[i]! * dilations[i]! - pads[i]!),
    );
    const flat = along.reduce((all, ats, i) => all.flatMap((n) => ats.map((at) => n * sizes[i]! + at)), [0]);
    return g.constant(flat, "int32", outputs);
  };
  const taps = kernel.reduce<number[][]>(
    (all, n) => all.flatMap((tap) => range(n).map((at) => [...tap, at])),
    [[]],
  );
  // The last to be written is the first pixel.
  const index = taps.reverse().reduce<Value | undefined>((found, tap) => {
    const starts = tap.map((at, i) => at * dilations[i]!);
    const stops = starts.map((start, i) => start + (outputs[i]! - 1) * strides[i]! + 1);
    const isHit = g.op("Equal", [g.slice(padded, axes, starts, stops, strides), y]);
    return g.where(isHit, places(tap), found ?? g.constant([0], "int32", []));
  }, undefined)!;
  const images = g.slice(g.shapeOf(x!), [0], [0], [2]);
  const count = g.cast(g.op("ReduceProd", [images], { keepdims: 0 }), "int32");
  const numbers = g.op("Range", [g.scalar(0, count), count, g.scalar(1, count)]);
  const layout = g.concat([images, g.ints(sizes.map(() => 1))], 0);
  const first = g.mul(g.reshape(numbers, layout), g.scalar(sizeOf(sizes), count));
  return [y, g.cast(g.add(index, first), "int64")];
}

const isNumber = (dim: Dim | undefined): dim is number => typeof dim === "number";

/** −log p of each example's class (axis 1), reduced as the operators of this loss do. */
function labelLoss(
  g: GraphBuilder,
  logs: Value,
  labels: Value,
  attrs: AttributesOf<"NegativeLogLikelihoodLoss">,
): Value | undefined {
  const { shape } = logs;
  if (!shape) return undefined;
  const label = g.cast(labels, "int32");
  const classes = g.reshape(g.cast(g.sizeOf(logs, 1), "int32"), []);
  const ignored = attrs.ignore_index;
  const isCounted =
    ignored === undefined
      ? undefined
      : g.cast(g.op("Not", [g.op("Equal", [label, g.scalar(Number(ignored), label)])]), logs);
  // chosen and not multiplied by 0 and 1: the logarithm of a class that cannot be is −∞
  const picked = g.op("Neg", [g.sum(g.where(isClass(g, label, classes, 1, shape.length), logs, 0), [1])]);
  const losses = isCounted ? g.mul(picked, isCounted) : picked;
  if (attrs.reduction === "none") return losses;
  const axes = shape.slice(1).map((_, axis) => axis);
  const total = g.sum(losses, axes);
  if (attrs.reduction === "sum") return total;
  return g.div(total, isCounted ? g.sum(isCounted, axes) : g.count(losses, losses));
}

/** x − max − log Σ exp(x − max). */
function logSoftmax(g: GraphBuilder, x: Value, axis: number): Value {
  const largest = g.op("ReduceMax", [x, g.ints([axis])], { keepdims: 1 });
  const centred = g.sub(x, largest);
  return g.sub(centred, g.op("Log", [g.sum(g.op("Exp", [centred]), [axis], true)]));
}

/** Where an index, int32, is the place along a new axis that has `count` of them; `rank`: of the result. */
function isClass(g: GraphBuilder, index: Value, count: Value, axis: number, rank: number): Value {
  const places = g.op("Range", [g.scalar(0, index), count, g.scalar(1, index)]);
  const along = Array.from({ length: rank }, (_, at) => (at === axis ? -1 : 1));
  return g.op("Equal", [g.unsqueeze(index, [axis]), g.reshape(places, along)]);
}

/** Puts other operators in a node's place. False where there is no lowering for it. */
export function lowerNode(graph: Graph, node: Node): boolean {
  const name = opNameOf(node);
  const lowering = name && (lowerings[name] as Lowering<OpName> | undefined);
  if (!lowering) return false;
  const made = lowering({
    g: new GraphBuilder(graph, node),
    node,
    x: node.inputs as readonly Value[],
    attrs: attributesOf(node, name),
  });
  if (made) replaceNode(graph, node, made);
  return made !== undefined;
}
