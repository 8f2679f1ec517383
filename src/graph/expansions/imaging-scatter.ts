import { type GraphBuilder, numbers, range, rankOf } from "../builder.ts";
import { knownDims } from "../infer/known-dims.ts";
import type { Node, Value } from "../ir.ts";
import { type Composite, type Expansions, noExpansion, sizesOf } from "./expansion.ts";
import { along } from "./imaging-sampling.ts";

const count = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

/** Numbers that an input holds, from one on. @throws graph/no-expansion */
const listOf = (node: Node, value: Value, what: string, from = 0): readonly number[] => {
  const list = knownDims(value)?.slice(from);
  return list?.every((size) => typeof size === "number")
    ? list
    : noExpansion(node, `it needs its ${what} as numbers; known is [${list?.join(", ") ?? "?"}]`);
};

/** Each element of each column added where its window's tap lies in the image; those outside go to a row that is cut off. */
function col2Im({ g, node, x: [x, image, block], attrs }: Composite<"Col2Im">): Value {
  const sizes = listOf(node, image, "image shape");
  const kernel = listOf(node, block, "block shape");
  const [channels, windows] = sizesOf(node, x, "channels and windows", 1) as readonly [number, number];
  const taps = count(kernel);
  const grid = windowsOf(sizes, kernel, attrs);
  const pixels = count(sizes);
  const places = range(taps).flatMap((tap) =>
    range(windows).map((window) => {
      const at = sizes.map(
        (_, axis) =>
          along(window, grid, axis) * (attrs.strides[axis] ?? 1) -
          (attrs.pads[axis] ?? 0) +
          along(tap, kernel, axis) * (attrs.dilations[axis] ?? 1),
      );
      const isInside = at.every((place, axis) => place >= 0 && place < sizes[axis]!);
      return isInside ? at.reduce((flat, place, axis) => flat * sizes[axis]! + place, 0) : pixels;
    }),
  );
  const rows = g.transpose(g.reshape(x, [-1, taps * windows]), [1, 0]);
  const columns = g.sizeOf(rows, 1);
  const empty = g.zeros(g.concat([g.ints([pixels + 1]), columns], 0), x);
  const added = g.op("ScatterND", [empty, g.constant(places, "int64", [places.length, 1]), rows], {
    reduction: "add",
  });
  const inside = g.slice(added, [0], [0], [pixels]);
  return g.reshape(g.transpose(inside, [1, 0]), [-1, channels / taps, ...sizes]);
}

/** How many windows lie along each axis of an image. */
const windowsOf = (
  sizes: readonly number[],
  kernel: readonly number[],
  { pads, strides, dilations }: Composite<"Col2Im">["attrs"],
): readonly number[] =>
  sizes.map((size, axis) => {
    const span = (dilations[axis] ?? 1) * (kernel[axis]! - 1) + 1;
    const room = size + (pads[axis] ?? 0) + (pads[axis + sizes.length] ?? 0) - span;
    return Math.floor(room / (strides[axis] ?? 1)) + 1;
  });

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
  const sizes = listOf(node, size, "size", 2);
  const points = range(count(sizes)).flatMap((point) => [
    ...sizes
      .map((_, axis) => centre(along(point, sizes, axis), sizes[axis]!, attrs.align_corners === 1))
      .reverse(),
    1,
  ]);
  const base = g.constant(points, theta.dtype, [count(sizes), sizes.length + 1]);
  return g.reshape(g.matmul(base, g.swap(theta)), [-1, ...sizes, sizes.length]);
}

/**
 * The place of a pixel between −1 and 1: its centre, or with `alignCorners` stretched so that the ends are reached; a single
 * pixel is then at the end, as in ONNX Runtime (at the begin in ONNX's reference, in the middle in PyTorch).
 */
function centre(index: number, size: number, alignCorners: boolean): number {
  if (!alignCorners) return (2 * index + 1) / size - 1;
  return size === 1 ? 1 : (2 * index) / (size - 1) - 1;
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
