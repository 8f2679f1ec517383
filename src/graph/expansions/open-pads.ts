import { attributesOf, opNameOf } from "../attributes.ts";
import { GraphBuilder, numbers } from "../builder.ts";
import { inferNode } from "../infer.ts";
import type { Graph, Node, Value } from "../ir.ts";
import type { OpName } from "../schemas.ts";
import { windowOf } from "../window.ts";
import { replaceNode } from "./expand.ts";

/** A window's node, whose padding has become a Pad. */
interface Padded {
  readonly g: GraphBuilder;
  /** The node over an image that is large enough, without padding. */
  readonly over: (image: Value) => Value;
  /** The image, or another of its sizes, with so much around it. */
  readonly pad: (image: Value, fill: number) => Value;
  readonly x: Value;
  readonly countsPads: boolean;
}

/** A window that pads is one that does not, over a padded image. */
const ways: { readonly [N in OpName]?: (padded: Padded) => Value } = {
  Conv: ({ over, pad, x }) => over(pad(x, 0)),
  MaxPool: ({ over, pad, x }) => over(pad(x, Number.NEGATIVE_INFINITY)),
  // Σ / area over the share of the area that lies in the image
  AveragePool: ({ g, over, pad, x, countsPads }) => {
    const mean = over(pad(x, 0));
    if (countsPads) return mean;
    const plane = g.concat([g.ints([1, 1]), g.op("Shape", [x], { start: 2 })], 0);
    return g.div(mean, over(pad(g.op("Expand", [g.ones([1, 1, ...spatialOnes(x)], x), plane]), 0)));
  },
};

const spatialOnes = (x: Value): number[] => (x.shape ?? []).slice(2).map(() => 1);

/** Whether only the run knows how a node pads its image: auto_pad SAME with a stride above 1 over an unknown size. */
export function hasOpenPads(node: Node): boolean {
  const name = opNameOf(node);
  return (
    name !== undefined &&
    ways[name] !== undefined &&
    windowOf(node) === undefined &&
    spansOf(node) !== undefined
  );
}

/** Strides and reach of a window with auto_pad SAME over an image of known rank. */
function spansOf(node: Node): { readonly strides: number[]; readonly spans: number[] } | undefined {
  const { auto_pad, kernel_shape, strides, dilations } = attributesOf(node, opNameOf(node) as "Conv");
  const rank = (node.inputs[0]?.shape?.length ?? 0) - 2;
  const kernel = kernel_shape?.length ? kernel_shape : numbers(node.inputs[1]?.shape?.slice(2));
  if (!auto_pad.startsWith("SAME") || rank < 1 || kernel?.length !== rank) return undefined;
  return {
    strides: kernel.map((_, axis) => strides?.[axis] ?? 1),
    spans: kernel.map((size, axis) => (size - 1) * (dilations?.[axis] ?? 1) + 1),
  };
}

/** Puts a Pad of sizes that are computed in the graph, and the node without padding, in the place of the node. */
export function padApart(graph: Graph, node: Node): void {
  const g = new GraphBuilder(graph, node);
  const name = opNameOf(node) as "Conv" | "AveragePool";
  const [x, ...others] = node.inputs as [Value, ...Value[]];
  const pads = padsOf(g, node, x);
  const attributes = [...node.attributes].filter(([key]) => key !== "auto_pad" && key !== "pads");
  const made = ways[name]!({
    g,
    x,
    countsPads: name === "AveragePool" && attributesOf(node, name).count_include_pad === 1,
    pad(image, fill) {
      const padded = g.op("Pad", [image, pads, g.scalar(fill, image)]);
      // the padding is of pixels only
      padded.shape = [...image.shape!.slice(0, 2), ...padded.shape!.slice(2)];
      return padded;
    },
    over(image) {
      const outputs = [graph.freshName(node.op.toLowerCase())];
      const one = graph.addNode(node.op, [image, ...others], { attributes, outputs, before: node });
      inferNode(one);
      return one.outputs[0]!;
    },
  });
  made.shape = node.outputs[0]?.shape ?? made.shape;
  replaceNode(graph, node, [made]);
}

/** Of each axis ⌈size / stride⌉ windows: what they reach beyond the image, shared between begin and end. */
function padsOf(g: GraphBuilder, node: Node, x: Value): Value {
  const { strides, spans } = spansOf(node)!;
  const size = g.op("Shape", [x], { start: 2 });
  const made = g.op("Div", [g.add(size, g.ints(strides.map((stride) => stride - 1))), g.ints(strides)]);
  const reach = g.add(g.mul(g.sub(made, 1), g.ints(strides)), g.ints(spans));
  const total = g.max(g.sub(reach, size), 0);
  const least = g.op("Div", [total, g.ints([2])]);
  const most = g.sub(total, least);
  const isUpper = attributesOf(node, "Conv").auto_pad === "SAME_UPPER";
  const zeros = g.ints([0, 0]);
  return g.concat(isUpper ? [zeros, least, zeros, most] : [zeros, most, zeros, least], 0);
}
