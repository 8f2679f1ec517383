import { type GraphBuilder, range, rankOf } from "../../graph/builder.ts";
import type { Node, Value } from "../../graph/ir.ts";
import { sizeOf } from "../../graph/tensor.ts";
import { type Window, windowOf } from "../../graph/window.ts";
import { sumOver } from "../reduce.ts";
import { type Backward, type GradRules, noGradient, sizesOf } from "../rule.ts";
import { weightGradient } from "./convolution-weight.ts";
import { cutTo, hasKnownSizes, openInput } from "./open-convolution.ts";

/** A node's window with numbers for its kernel and pads. @throws autodiff/unknown-size, autodiff/no-gradient */
export function numericWindow(node: Node): Window {
  const window = windowOf(node);
  if (window) return window;
  const [x, w] = node.inputs;
  sizesOf(node, x!, "the spatial sizes", 2);
  if (w) sizesOf(node, w, "the spatial sizes", 2);
  return noGradient(node, "its padding is not known before running");
}

/** Sum over the batch and the pixels: [batch, channels, ...sizes] to [channels]. */
const bias = ({ g, dy }: Backward<"Conv" | "ConvTranspose">): Value =>
  sumOver(g, dy, [0, ...range(2, rankOf(dy))]);

const spanOf = ({ kernel, dilations }: Window): number[] =>
  kernel.map((size, axis) => (size - 1) * dilations[axis]! + 1);

/**
 * The gradient of a convolution's input: the transposed convolution of dY.
 *
 * With stride 1 it is written as a convolution with the kernel flipped in space and its first two axes swapped, which
 * runs as fast as the forward one; with a larger stride ConvTranspose is the fastest portable form.
 */
export function convolutionInput({ g, node, dy, y, x: [x, w], attrs: { group } }: Backward<"Conv">): Value {
  const window = numericWindow(node);
  const { strides, dilations, pads } = window;
  const rank = window.kernel.length;
  const span = spanOf(window);
  const turned = pads.map((pad, i) => span[i % rank]! - 1 - pad);
  if (strides.every((stride) => stride === 1) && turned.every((pad) => pad >= 0))
    return g.op("Conv", [dy, turnedKernel(g, node, w, group)], {
      kernel_shape: window.kernel,
      strides,
      dilations,
      pads: turned,
      group,
    });
  if (!hasKnownSizes(x, y)) return openInput(g, { dy, w, x }, window, group);
  const sizes = sizesOf(node, x, "the spatial sizes", 2);
  const outputs = sizesOf(node, y, "the spatial sizes", 2);
  const covered = outputs.map((size, i) => (size - 1) * strides[i]! + span[i]! - pads[i]! - pads[i + rank]!);
  return g.op("ConvTranspose", [dy, w], {
    kernel_shape: window.kernel,
    strides,
    dilations,
    pads,
    group,
    output_padding: sizes.map((size, i) => size - covered[i]!),
  });
}

/** [out, in/group, ...kernel] flipped in space, its in- and out-channels swapped within each group. */
function turnedKernel(g: GraphBuilder, node: Node, w: Value, group: number): Value {
  const [out, inner, ...kernel] = sizesOf(node, w, "the sizes") as [number, number, ...number[]];
  const axes = kernel.flatMap((size, axis) => (size > 1 ? [axis + 2] : []));
  const all = axes.map(() => -1);
  const flipped =
    axes.length === 0
      ? w
      : g.slice(
          w,
          axes,
          all,
          axes.map(() => Number.MIN_SAFE_INTEGER),
          all,
        );
  const rest = range(2, kernel.length + 2);
  if (group === 1) return g.transpose(flipped, [1, 0, ...rest]);
  if (inner === 1 && out === group) return flipped;
  const grouped = g.reshape(flipped, [group, out / group, inner, ...kernel]);
  const swapped = g.transpose(grouped, [0, 2, 1, ...rest.map((axis) => axis + 1)]);
  return g.reshape(swapped, [group * inner, out / group, ...kernel]);
}

/** The convolution that a ConvTranspose is the input gradient of; output_padding of a whole stride is cut off. */
function transposedInput({ g, node, dy, x: [x, w], attrs: { group } }: Backward<"ConvTranspose">): Value {
  const { kernel, strides, dilations, pads } = numericWindow(node);
  const gradient = g.op("Conv", [dy, w], { kernel_shape: kernel, strides, dilations, pads, group });
  if (!hasKnownSizes(x)) return cutTo(g, gradient, x);
  const sizes = sizesOf(node, x, "the spatial sizes", 2);
  const axes = sizes.map((_, i) => i + 2);
  return sizeOf(sizes) === 0
    ? gradient
    : g.slice(
        gradient,
        axes,
        axes.map(() => 0),
        sizes,
      );
}

export const convolution = {
  Conv: [
    convolutionInput,
    (b) => weightGradient(b, { image: b.x[0], filter: b.dy, window: numericWindow(b.node) }),
    bias,
  ],
  // Y = ConvTranspose(X, W) makes X the output and Y the input of a convolution with the same weight
  ConvTranspose: [
    transposedInput,
    (b) => weightGradient(b, { image: b.dy, filter: b.x[0], window: numericWindow(b.node) }),
    bias,
  ],
} satisfies Partial<GradRules>;
