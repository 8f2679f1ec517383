import type { Dim } from "../graph/dim.ts";
import type { Graph, Value } from "../graph/ir.ts";

/** The input that takes images: where its channels lie and how large an image is; symbolic sizes are undefined. */
export interface ImageInput {
  readonly value: Value;
  readonly layout: "nchw" | "nhwc";
  readonly channels: 1 | 3;
  readonly height: number | undefined;
  readonly width: number | undefined;
}

/** The first float input of rank 4 with 1 or 3 channels that must be fed. */
export function findImageInput(graph: Graph): ImageInput | undefined {
  for (const input of graph.inputs) {
    const found = input.constant ? undefined : describeImageInput(input);
    if (found) return found;
  }
  return undefined;
}

/** What an input says about its images, or undefined when it does not take any. */
export function describeImageInput(value: Value): ImageInput | undefined {
  if (value.dtype !== "float32" || value.shape?.length !== 4) return undefined;
  const [, a, b, c] = value.shape as readonly [Dim, Dim, Dim, Dim];
  const channelsFirst = channelsOf(a) ?? (typeof a === "string" ? channelsOfFirstKernel(value) : undefined);
  if (channelsFirst !== undefined && (channelsOf(c) === undefined || channelsOf(a) !== undefined))
    return { value, layout: "nchw", channels: channelsFirst, height: sizeOf(b), width: sizeOf(c) };
  const channelsLast = channelsOf(c);
  return (
    channelsLast && { value, layout: "nhwc", channels: channelsLast, height: sizeOf(a), width: sizeOf(b) }
  );
}

const sizeOf = (dim: Dim): number | undefined => (typeof dim === "number" ? dim : undefined);
const channelsOf = (dim: unknown): 1 | 3 | undefined => (dim === 1 || dim === 3 ? dim : undefined);

/** Channels that the convolution reading an input expects, where the input's own shape does not say. */
function channelsOfFirstKernel(value: Value): 1 | 3 | undefined {
  for (const node of value.consumers)
    if (node.op === "Conv" && node.inputs[0] === value) return channelsOf(node.inputs[1]?.constant?.dims[1]);
  return undefined;
}
