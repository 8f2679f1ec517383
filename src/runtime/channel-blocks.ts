import { attributesOf, opNameOf } from "../graph/attributes.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Shape } from "../graph/dim.ts";
import { replaceNode } from "../graph/expansions/expand.ts";
import { type Attribute, Graph, type Node, type Value } from "../graph/ir.ts";
import type { Runtime } from "./runtime.ts";

/** ONNX Runtime's domain of operators over channels in blocks: [batch, channels/block, height, width, block]. */
const domain = "com.microsoft.nchwc";

/**
 * How many channels ONNX Runtime's CPU kernels put side by side: as many as a vector register holds, 16 on AVX-512, 8 on
 * AVX2; undefined where they have no such layout. A reordered image of few channels tells, because it fills its block.
 */
export async function channelBlock(runtime: Pick<Runtime, "compile">): Promise<number | undefined> {
  const graph = new Graph("channel block", [["", 21]]);
  const image = graph.addInput("x", "float32", [1, narrow, 1, 1]);
  graph.addOutput(reordered(graph, image, ["batch", "channels", 1, 1]));
  try {
    const executable = await runtime.compile(graph);
    const x = { dtype: "float32", dims: [1, narrow, 1, 1], data: new Float32Array(narrow) } as const;
    const [y] = Object.values(await executable.run({ x }));
    await executable.dispose();
    return y!.dims[1]! > narrow ? y!.dims[1] : undefined;
  } catch {
    return undefined;
  }
}

/** Fewer channels than any block, as many as a reorder takes at least. */
const narrow = 4;

/** Whether a graph has what `blockDepthwise` would write otherwise on some machine. */
export const hasDepthwise = (graph: Graph): boolean => graph.nodes.some((node) => depthwiseOf(node));

/**
 * Depthwise convolutions over channels in blocks, in a copy: the kernels of the plain layout compute one output at a
 * time. With image and result put into the other order and back, a 3×3 convolution takes 0.2 to 0.8 of its time, and one
 * whose filter is the gradient of an image, as in the gradient of a depthwise weight, 0.1 to 0.4.
 *
 * ONNX Runtime does this by itself where a filter is constant.
 */
export function blockDepthwise(source: Graph, block: number): Graph {
  const graph = source.clone();
  for (const node of [...graph.nodes]) {
    const found = depthwiseOf(node);
    if (!found || found.channels % block !== 0) continue;
    const { channels, kernel } = found;
    const g = new GraphBuilder(graph, node);
    const [x, w, bias] = node.inputs as [Value, Value, Value | undefined];
    const shape = node.outputs[0]!.shape!;
    // in blocks, filters of one channel each lie as one image of as many channels does
    const rows = reordered(graph, g.reshape(w, [1, channels, ...kernel]), [1, channels, ...kernel], node);
    const filter = g.reshape(rows, [channels, 1, ...kernel]);
    const image = reordered(graph, x, x.shape!, node);
    const made = blocked(graph, "Conv", [image, filter, bias], { shape, before: node }, node.attributes);
    const count = [["channels", { type: "int", value: channels }]] as const;
    replaceNode(graph, node, [blocked(graph, "ReorderOutput", [made], { shape, before: node }, count)]);
  }
  return graph;
}

/** A convolution of planes, each with one filter that is not constant; undefined for every other node. */
function depthwiseOf(node: Node): { readonly channels: number; readonly kernel: number[] } | undefined {
  if (opNameOf(node) !== "Conv") return undefined;
  const [x, w] = node.inputs as [Value, Value];
  const { group } = attributesOf(node, "Conv");
  const isOneEach = x.shape?.[1] === group && w.shape?.[0] === group && w.shape[1] === 1 && group > 1;
  const kernel = w.shape?.slice(2) ?? [];
  const isPlane = kernel.length === 2 && kernel.every((size) => typeof size === "number" && size > 0);
  const isKnown = x.dtype === "float32" && node.outputs[0]!.shape !== undefined;
  return isOneEach && isPlane && isKnown && !w.constant
    ? { channels: group, kernel: kernel as number[] }
    : undefined;
}

const reordered = (graph: Graph, image: Value, shape: Shape, before?: Node): Value =>
  blocked(graph, "ReorderInput", [image], { shape, before });

/** Appends an operator over blocks. */
function blocked(
  graph: Graph,
  op: "Conv" | "ReorderInput" | "ReorderOutput",
  inputs: readonly (Value | undefined)[],
  { shape, before }: { readonly shape: Shape; readonly before: Node | undefined },
  attributes: Iterable<readonly [string, Attribute]> = [],
): Value {
  graph.opsets.set(domain, 1);
  const [output] = graph.addNode(op, inputs, { domain, attributes, ...(before && { before }) }).outputs;
  output!.dtype = "float32";
  output!.shape = shape;
  return output!;
}
