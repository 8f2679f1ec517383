import { attributesOf, opNameOf } from "../attributes.ts";
import { GraphBuilder, range } from "../builder.ts";
import { inferNode } from "../infer.ts";
import type { Graph, Node, Value } from "../ir.ts";
import type { OpName } from "../schemas.ts";
import { countsPastEnd, type Frame, roundsUpInVain, spanOf, windowFrame, windowOf } from "../window.ts";
import { replaceNode } from "./expand.ts";
import { asVector, linearIn, productOf, shapeOf, sizeAlong, sumOf } from "./open-sizes.ts";
import { type Pads, padBy, padsOf, sharedPads } from "./pads.ts";

/** A window's node, whose padding has become a Pad. */
interface Padded {
  readonly g: GraphBuilder;
  readonly node: Node;
  readonly frame: Frame;
  readonly x: Value;
  /** The node over an image that is large enough, without padding; its outputs. */
  over(
    image: Value,
    more?: { without?: readonly string[]; outputs?: number; bias?: boolean },
  ): readonly Value[];
}

/** A window that pads is one that does not, over a padded image. Gives the node's outputs. */
const ways: { readonly [N in OpName]?: (padded: Padded) => readonly (Value | undefined)[] } = {
  Conv: (padded) => padded.over(padOf(padded, padded.x, 0)),
  MaxPool: (padded) => {
    const { g, node, x } = padded;
    const image = padOf(padded, x, Number.NEGATIVE_INFINITY);
    const isAsked = node.outputs[1] !== undefined && g.graph.isRead(node.outputs[1]);
    if (!isAsked) return padded.over(image);
    const [largest, indices] = padded.over(image, { without: ["storage_order"], outputs: 2 });
    return [largest, unpadded(padded, indices!, image)];
  },
  // Σ / area over the share of the area that lies in the image
  AveragePool: (padded) => {
    const { g, node, x, frame } = padded;
    const [mean] = padded.over(padOf(padded, x, 0)) as [Value];
    // what ceil_mode adds at the ends counts nowhere
    const counted = attributesOf(node, "AveragePool").count_include_pad === 1 ? givenPads(padded) : undefined;
    if (counted && !frame.ceil) return [mean];
    const axes = range(frame.kernel.length);
    const plane = axes.map((axis) => {
      const pads = counted ? sumOf(g, counted.begins[axis]!, counted.ends[axis]!) : 0;
      return sumOf(g, sizeAlong(g, x, axis + 2), pads);
    });
    const ones = g.op("Expand", [g.ones([1, 1, ...axes.map(() => 1)], x), shapeOf(g, [1, 1, ...plane])]);
    const rest = counted && {
      begins: axes.map(() => 0),
      ends: padsOf(g, frame, x).ends.map((end, axis) => sumOf(g, end, counted.ends[axis]!, -1)),
    };
    const [share] = padded.over(padBy(g, ones, rest ?? padsOf(g, frame, x), 0)) as [Value];
    return [g.div(mean, share)];
  },
  // the padding is cut off what is made without; what is asked for beyond it holds the bias alone
  ConvTranspose: (padded) => {
    const { g, node, x, frame } = padded;
    const [whole] = padded.over(x, { without: ["output_shape"], bias: false }) as [Value];
    const made = range(frame.kernel.length).map((axis) => sizeAlong(g, whole, axis + 2));
    const totals = made.map((size, axis) => linearIn(g, size, 1, -frame.outputShape[axis]!));
    const { begins } = sharedPads(g, frame, totals);
    const cut = padBy(
      g,
      whole,
      {
        begins: begins.map((begin) => linearIn(g, begin, -1, 0)),
        ends: begins.map((begin, axis) => sumOf(g, begin, totals[axis]!, -1)),
      },
      0,
    );
    cut.shape = [...whole.shape!.slice(0, 2), ...frame.outputShape];
    const bias = node.inputs[2];
    return [bias ? g.add(cut, g.reshape(bias, [1, -1, ...frame.kernel.map(() => 1)])) : cut];
  },
};

const padOf = ({ g, frame, x }: Padded, image: Value, fill: number): Value =>
  padBy(g, image, padsOf(g, frame, x), fill);

/** The padding that a node gives in numbers, or that SAME implies. */
const givenPads = ({ g, frame, x }: Padded): Pads => padsOf(g, { ...frame, ceil: false }, x);

/**
 * Whether a node's padding has to be a Pad of its own: where only the run knows it (auto_pad SAME with a stride above 1, or
 * output_shape, over an unknown size); and of a pool where ONNX Runtime gets it wrong (SAME with dilations or with a stride
 * beyond the window; windows past the end along one axis of several).
 */
export function hasOpenPads(node: Node): boolean {
  const name = opNameOf(node);
  if (name === undefined || ways[name] === undefined) return false;
  const frame = windowFrame(node, (node.inputs[0]?.shape?.length ?? 0) - 2);
  if (!frame || frame.kernel.length === 0) return false;
  if (windowOf(node) === undefined) return name !== "ConvTranspose" || frame.outputShape.length > 0;
  if (!name.endsWith("Pool")) return false;
  const isSame = frame.autoPad.startsWith("SAME");
  const isOdd = (axis: number) => frame.dilations[axis]! > 1 || frame.strides[axis]! > spanOf(frame, axis);
  return isSame ? range(frame.kernel.length).some(isOdd) : countsPastEnd(node) && !roundsUpInVain(node);
}

/** Puts a Pad, and the node without padding, in the place of the node. */
export function padApart(graph: Graph, node: Node): void {
  const g = new GraphBuilder(graph, node);
  const [x, weight, ...others] = node.inputs as [Value, ...(Value | undefined)[]];
  const frame = windowFrame(node, x.shape!.length - 2)!;
  const made = ways[opNameOf(node)!]!({
    g,
    node,
    frame,
    x,
    over(image, { without = [], outputs = 1, bias = true } = {}) {
      const left = new Set(["auto_pad", "pads", "ceil_mode", ...without]);
      const attributes = [...node.attributes].filter(([key]) => !left.has(key));
      const names = range(outputs).map((i) => graph.freshName(`${node.op.toLowerCase()}${i || ""}`));
      const inputs = [image, ...(weight ? [weight] : []), ...(bias ? others : [])];
      const one = graph.addNode(node.op, inputs, { attributes, outputs: names, before: node });
      inferNode(one);
      return one.outputs as readonly Value[];
    },
  });
  for (const [i, value] of made.entries()) if (value) value.shape = node.outputs[i]?.shape ?? value.shape;
  replaceNode(graph, node, made);
}

/** Places in a padded image as places in the image itself, counted column by column where the node counts so. */
function unpadded({ g, node, frame, x }: Padded, indices: Value, image: Value): Value {
  const { begins } = padsOf(g, frame, x);
  const axes = range(frame.kernel.length);
  const sizes = axes.map((axis) => sizeAlong(g, x, axis + 2));
  const byColumn = attributesOf(node, "MaxPool").storage_order === 1;
  const before = (axis: number) => productOf(g, byColumn ? sizes.slice(0, axis) : sizes.slice(axis + 1));
  let rest = indices;
  const steps = axes.toReversed().map((axis) => {
    const size = asVector(g, sizeAlong(g, image, axis + 2));
    const at = g.sub(g.op("Mod", [rest, size]), asVector(g, begins[axis]!));
    rest = g.op("Div", [rest, size]);
    return g.mul(at, before(axis));
  });
  return steps.reduce(g.add, g.mul(rest, productOf(g, sizes)));
}
