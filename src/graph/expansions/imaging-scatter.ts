import { type GraphBuilder, numbers, type Operand, range, rankOf } from "../builder.ts";
import { type Dim, difference } from "../dim.ts";
import { knownDims } from "../infer/known-dims.ts";
import type { Node, Value } from "../ir.ts";
import { type Composite, type Expansions, noExpansion } from "./expansion.ts";
import { inAxis } from "./imaging-sampling.ts";
import {
  asVector,
  linearIn,
  productOf,
  quotientOf,
  rampOf,
  reshapeTo,
  sizeAlong,
  sizeIn,
  sumOf,
} from "./open-sizes.ts";

/** Numbers that an input holds. @throws graph/no-expansion */
const listOf = (node: Node, value: Value, what: string): readonly number[] => {
  const list = knownDims(value);
  return list?.every((size) => typeof size === "number")
    ? list
    : noExpansion(node, `it needs its ${what} as numbers; known is [${list?.join(", ") ?? "?"}]`);
};

/** Each element of each column added where its window's tap lies in the image; those outside go to a row that is cut off. */
function col2Im({ g, node, x: [x, image, block], attrs }: Composite<"Col2Im">): Value {
  const axes = range(axesOf(node, [image.shape?.[0], block.shape?.[0], attrs.pads.length / 2 || undefined]));
  const [sizes, kernel] = [image, block].map((list) => axes.map((i) => sizeIn(g, list, i))) as [
    Operand[],
    Operand[],
  ];
  const pixels = productOf(g, sizes);
  const taps = productOf(g, kernel);
  const lines = axes.map((axis) => {
    const size = sizes[axis]!;
    const [stride, dilation] = [attrs.strides[axis] ?? 1, attrs.dilations[axis] ?? 1];
    const [begin, end] = [attrs.pads[axis] ?? 0, attrs.pads[axis + axes.length] ?? 0];
    const room = linearIn(g, sumOf(g, size, kernel[axis]!, -dilation), 1, begin + end + dilation - 1);
    const windows = linearIn(g, quotientOf(g, room, stride), 1, 1);
    const tap = g.unsqueeze(rampOf(g, kernel[axis]!, "int64", { step: dilation }), [1]);
    const line = g.add(tap, rampOf(g, windows, "int64", { start: -begin, step: stride }));
    // taps of all axes, then windows of all axes
    const others = range(2 * axes.length).filter((i) => i % axes.length !== axis);
    const isInside = g.op("And", [g.greaterOrEqual(line, 0), g.less(line, size)]);
    return {
      at: g.unsqueeze(g.mul(line, productOf(g, sizes.slice(axis + 1))), others),
      isInside: g.unsqueeze(isInside, others),
    };
  });
  const isInside = lines.map((line) => line.isInside).reduce((p, q) => g.op("And", [p, q]));
  const place = g.where(isInside, lines.map((line) => line.at).reduce(g.add), pixels);
  const samples = productOf(g, [taps, sizeAlong(g, x, 2)]);
  const rows = g.transpose(reshapeTo(g, x, [-1, samples]), [1, 0]);
  const empty = g.zeros(g.concat([asVector(g, linearIn(g, pixels, 1, 1)), g.sizeOf(rows, 1)], 0), x);
  const added = g.op("ScatterND", [empty, g.reshape(place, [-1, 1]), rows], { reduction: "add" });
  const inside = g.op("Slice", [added, g.ints([0]), asVector(g, pixels), g.ints([0])]);
  const channels = quotientOf(g, sizeAlong(g, x, 1), taps);
  return reshapeTo(g, g.transpose(inside, [1, 0]), [sizeAlong(g, x, 0), channels, ...sizes]);
}

/** The number of an image's axes: the first of these that is a number. @throws graph/no-expansion */
const axesOf = (node: Node, told: readonly (Dim | undefined)[]): number =>
  told.find((count) => typeof count === "number") ??
  noExpansion(node, "it is not known how many axes its image has");

/**
 * Each element where its index says, in the flat output that is asked for, else in the one that the window implies.
 *
 * ONNX's text counts indices in the implied output and puts that into the corner of a larger one; ONNX Runtime and PyTorch
 * count them in the output that is asked for.
 */
function maxUnpool({ g, x, attrs, has }: Composite<"MaxUnpool">): Value {
  const [input, indices, asked] = x;
  const shape = has(2)
    ? asked
    : g.concat([g.sizeOf(input, 0), g.sizeOf(input, 1), implied(g, input, attrs)], 0);
  const empty = g.zeros(g.op("ReduceProd", [shape], { keepdims: 1 }), input);
  const flat = [indices, input].map((value) => g.reshape(value, [-1])) as [Value, Value];
  return g.reshapeTo(g.op("ScatterElements", [empty, ...flat], { axis: 0 }), shape);
}

/** Sizes of the image from which a window would have made one of the input's sizes, as an int64 vector. */
function implied(
  g: GraphBuilder,
  input: Value,
  { kernel_shape: kernel, pads, strides }: Composite<"MaxUnpool">["attrs"],
): Value {
  const steps = kernel.map((_, i) => strides[i] ?? 1);
  const reach = kernel.map((size, i) => size - (pads[i] ?? 0) - (pads[i + kernel.length] ?? 0));
  const from = numbers(input.shape?.slice(2));
  if (from) return g.ints(from.map((size, i) => (size - 1) * steps[i]! + reach[i]!));
  return g.add(g.mul(g.sub(g.op("Shape", [input], { start: 2 }), 1), g.ints(steps)), g.ints(reach));
}

/** θ·(x, y, 1) for every pixel of the asked-for size, its centre between −1 and 1. */
function affineGrid({ g, node, x: [theta, size], attrs }: Composite<"AffineGrid">): Value {
  const count = axesOf(node, [
    theta.shape?.[1],
    theta.shape && difference(theta.shape[2]!, 1),
    size.shape && difference(size.shape[0]!, 2),
  ]);
  const column = (i: number) =>
    g.unsqueeze(g.squeeze(g.slice(theta, [2], [i], [i + 1]), [2]), range(1, count + 1));
  const moved = range(count).map((axis) => {
    const centres = centresOf(g, sizeIn(g, size, axis + 2), theta, attrs.align_corners === 1);
    return g.mul(column(count - 1 - axis), g.unsqueeze(inAxis(g, centres, axis, count), [count]));
  });
  return g.add(moved.reduce(g.add), column(count));
}

/**
 * The places of an axis' pixels between −1 and 1: their centres, or with `alignCorners` stretched so that the ends are
 * reached; a single pixel is then at the end, as in ONNX Runtime (at the begin in ONNX's reference, in the middle in PyTorch).
 */
function centresOf(g: GraphBuilder, size: Operand, like: Value, alignCorners: boolean): Value {
  const dtype = like.dtype ?? "float32";
  if (typeof size === "number") {
    const centre = (i: number) => (alignCorners ? (2 * i) / (size - 1) - 1 : (2 * i + 1) / size - 1);
    return g.constant(range(size).map(alignCorners && size === 1 ? () => 1 : centre), dtype);
  }
  const real = g.cast(size, dtype);
  if (!alignCorners) return g.sub(g.div(rampOf(g, size, dtype, { start: 1, step: 2 }), real), 1);
  const stretched = g.div(rampOf(g, size, dtype, { step: 2 }), g.max(g.sub(real, 1), 1));
  return g.where(g.equal(size, 1), 1, g.sub(stretched, 1));
}

/** Cut off or filled up with zeros on both sides alike; the odd one at the end. */
function centerCropPad({ g, node, x: [x, shape], attrs }: Composite<"CenterCropPad">): Value {
  const rank = rankOf(x);
  const asked = listOf(node, shape, "shape");
  const axes =
    attrs.axes.length > 0 ? attrs.axes.map((axis) => (axis < 0 ? axis + rank : axis)) : range(rank);
  const pads = new Array<number>(2 * rank).fill(0);
  for (const [i, axis] of axes.entries()) {
    const size = x.shape?.[axis];
    if (typeof size !== "number") return noExpansion(node, `it needs the size of axis ${axis} as a number`);
    const more = asked[i]! - size;
    pads[axis] = more < 0 ? -Math.floor(-more / 2) : Math.floor(more / 2);
    pads[axis + rank] = more - pads[axis]!;
  }
  return g.pad(x, pads);
}

export const scatters = {
  AffineGrid: affineGrid,
  CenterCropPad: centerCropPad,
  Col2Im: col2Im,
  MaxUnpool: maxUnpool,
} as const satisfies Expansions;
