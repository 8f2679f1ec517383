import { attributesOf, opNameOf } from "../graph/attributes.ts";
import { GraphBuilder, numbers } from "../graph/builder.ts";
import type { Shape } from "../graph/dim.ts";
import { replaceNode } from "../graph/expansions/expand.ts";
import { type Attribute, Graph, type Node, type Value } from "../graph/ir.ts";
import { sizeOf } from "../graph/tensor.ts";
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

/** Whether a graph has what `blockConvolutions` would write otherwise on some machine. */
export const hasBlocked = (graph: Graph): boolean => graph.nodes.some((node) => planesOf(node));

/**
 * Convolutions over channels in blocks, in a copy, image and result put into the other order and back.
 *
 * A 3×3 convolution of 64 to 512 channels takes 0.9 to 0.6 of the plain layout's time, less the smaller the image. A
 * depthwise one, of which the plain kernels compute one output at a time, takes 0.8 to 0.2, and one whose filter is the
 * gradient of an image, as in the gradient of a depthwise weight, 0.4 to 0.1. Over single pixels nothing is gained.
 *
 * ONNX Runtime does this by itself where a filter is constant.
 */
export function blockConvolutions(source: Graph, block: number): Graph {
  const graph = source.clone();
  for (const node of [...graph.nodes]) {
    const found = planesOf(node);
    if (!found || found.out % block !== 0 || (!found.isDepthwise && found.inner % block !== 0)) continue;
    const [x, , bias] = node.inputs as [Value, Value, Value | undefined];
    const shape = node.outputs[0]!.shape!;
    const filter = found.isDepthwise
      ? depthwiseFilter(graph, node, found)
      : denseFilter(graph, node, found, block);
    const image = reordered(graph, x, x.shape!, node);
    const made = blocked(graph, "Conv", [image, filter, bias], { shape, before: node }, node.attributes);
    const count = [["channels", { type: "int", value: found.out }]] as const;
    replaceNode(graph, node, [blocked(graph, "ReorderOutput", [made], { shape, before: node }, count)]);
  }
  return graph;
}

/** Sizes of a filter [out, inner, ...kernel]. */
interface Planes {
  readonly out: number;
  readonly inner: number;
  readonly kernel: readonly number[];
  readonly isDepthwise: boolean;
}

/**
 * A convolution of planes with filters that are not constant: each of one channel, or each of all channels and more than
 * a pixel. Undefined for every other node.
 */
function planesOf(node: Node): Planes | undefined {
  if (opNameOf(node) !== "Conv") return undefined;
  const [x, w] = node.inputs as [Value, Value];
  const { group } = attributesOf(node, "Conv");
  const sizes = numbers(w.shape);
  if (sizes?.length !== 4 || sizes.includes(0) || w.constant) return undefined;
  if (x.dtype !== "float32" || !x.shape || !node.outputs[0]!.shape) return undefined;
  const [out, inner, ...kernel] = sizes as [number, number, number, number];
  const isDepthwise = group > 1 && x.shape[1] === group && out === group && inner === 1;
  const isDense = group === 1 && sizeOf(kernel) > 1;
  return isDepthwise || isDense ? { out, inner, kernel, isDepthwise } : undefined;
}

/** In blocks, filters of one channel each lie as one image of as many channels does: [out/block, 1, ...kernel, block]. */
function depthwiseFilter(graph: Graph, node: Node, { out, kernel }: Planes): Value {
  const g = new GraphBuilder(graph, node);
  const image = [1, out, ...kernel];
  return g.reshape(reordered(graph, g.reshape(node.inputs[1]!, image), image, node), [out, 1, ...kernel]);
}

/** Filters of several channels lie as [out/block, inner/block, ...kernel, inner's block, out's block]. */
function denseFilter(graph: Graph, node: Node, { out, inner, kernel }: Planes, block: number): Value {
  const g = new GraphBuilder(graph, node);
  const sizes = [out, inner, ...kernel];
  const byInner = reordered(graph, node.inputs[1]!, sizes, node);
  const rows = g.reshape(byInner, [out / block, block, inner * sizeOf(kernel)]);
  return g.reshape(g.transpose(rows, [0, 2, 1]), sizes);
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
