import { bug } from "../../base/errors.ts";
import type { Node } from "../ir.ts";
import { sizeOf } from "../tensor.ts";
import { type Window, windowOf } from "../window.ts";
import { type Call, type Kernel, type Kernels, required } from "./kernel.ts";
import { filled, type NdArray, ndArray, rangeOf, settle } from "./nd-array.ts";
import { range, slicesAlong, stridesOf } from "./offsets.ts";

/** A window with every size known, as it is once the input is there. */
const resolved = (node: Node): Window & { readonly output: readonly number[] } => {
  const window = windowOf(node);
  return window?.output.every((size) => typeof size === "number")
    ? (window as Window & { readonly output: readonly number[] })
    : bug(`the window of ${node.op} "${node.name}" is not resolved for known sizes`);
};

/**
 * For each position of the window, row-major, then for each of its taps: the offset it touches in the array of `touched`
 * sizes, or −1 for a tap outside it.
 */
function tapsOf(
  { kernel, strides, dilations, pads }: Window,
  positions: readonly number[],
  touched: readonly number[],
): { readonly at: Int32Array; readonly perPosition: number } {
  const perPosition = sizeOf(kernel);
  const at = new Int32Array(sizeOf(positions) * perPosition);
  const [walk, tapWalk, step] = [stridesOf(positions), stridesOf(kernel), stridesOf(touched)];
  for (let i = 0; i < at.length; i++) {
    const [position, tap] = [Math.floor(i / perPosition), i % perPosition];
    let offset = 0;
    for (let axis = 0; axis < kernel.length && offset >= 0; axis++) {
      const p = Math.floor(position / walk[axis]!) % positions[axis]!;
      const k = Math.floor(tap / tapWalk[axis]!) % kernel[axis]!;
      const on = p * strides[axis]! + k * dilations[axis]! - pads[axis]!;
      offset = on < 0 || on >= touched[axis]! ? -1 : offset + on * step[axis]!;
    }
    at[i] = offset;
  }
  return { at, perPosition };
}

/** Also of integers, whose zero points are taken away before. */
export function convolution(call: Call<"Conv" | "ConvInteger">): NdArray {
  const [x, w, bias] = [required(call, 0), required(call, 1), call.inputs[2]];
  const [batch = 0, , ...sizes] = x.dims;
  const [made = 0, reads = 0] = w.dims;
  const window = resolved(call.node);
  const { at, perPosition } = tapsOf(window, window.output, sizes);
  const [inArea, outArea] = [sizeOf(sizes), sizeOf(window.output)];
  const { group } = call.attributes;
  const madePerGroup = made / group;
  const data = new Float64Array(batch * made * outArea);
  if (bias) for (let i = 0; i < data.length; i++) data[i] = bias.data[Math.floor(i / outArea) % made]!;
  // what one tap reads for all positions, once for every output channel: many times quicker than the sum of each position
  const read = new Float64Array(outArea);
  for (let n = 0; n < batch; n++)
    for (let c = 0; c < reads * group; c++)
      for (let k = 0; k < perPosition; k++) {
        const from = (n * reads * group + c) * inArea;
        for (let p = 0; p < outArea; p++) {
          const offset = at[p * perPosition + k]!;
          read[p] = offset < 0 ? 0 : x.data[from + offset]!;
        }
        const first = Math.floor(c / reads) * madePerGroup;
        for (let m = first; m < first + madePerGroup; m++) {
          const weight = w.data[(m * reads + (c % reads)) * perPosition + k]!;
          const to = (n * made + m) * outArea;
          for (let p = 0; p < outArea; p++) data[to + p] = data[to + p]! + weight * read[p]!;
        }
      }
  return settle(ndArray(x.dtype, [batch, made, ...window.output], data));
}

/** Each input element adds its weighted window to the output: Conv with reading and writing exchanged. */
const convTranspose: Kernel<"ConvTranspose"> = (call) => {
  const [x, w, bias] = [required(call, 0), required(call, 1), call.inputs[2]];
  const [batch = 0, channels = 0, ...sizes] = x.dims;
  const window = resolved(call.node);
  const { at, perPosition } = tapsOf(window, sizes, window.output);
  const [inArea, outArea] = [sizeOf(sizes), sizeOf(window.output)];
  const madePerGroup = w.dims[1]!;
  const { group } = call.attributes;
  const made = madePerGroup * group;
  const data = new Float64Array(batch * made * outArea);
  if (bias) for (let i = 0; i < data.length; i++) data[i] = bias.data[Math.floor(i / outArea) % made]!;
  for (let n = 0; n < batch; n++)
    for (let c = 0; c < channels; c++)
      for (let m = 0; m < madePerGroup; m++) {
        const out = (n * made + Math.floor(c / (channels / group)) * madePerGroup + m) * outArea;
        for (let p = 0; p < inArea; p++)
          for (let k = 0; k < perPosition; k++) {
            const offset = at[p * perPosition + k]!;
            if (offset >= 0)
              data[out + offset] =
                data[out + offset]! +
                x.data[(n * channels + c) * inArea + p]! * w.data[(c * madePerGroup + m) * perPosition + k]!;
          }
      }
  return [settle(ndArray(x.dtype, [batch, made, ...window.output], data))];
};

/** Indices count through the whole input; with storage_order 1 the first spatial axis is the fastest. */
const maxPool: Kernel<"MaxPool"> = (call) => {
  const x = required(call, 0);
  const [batch = 0, channels = 0, ...sizes] = x.dims;
  const window = resolved(call.node);
  const { at, perPosition } = tapsOf(window, window.output, sizes);
  const [inArea, outArea] = [sizeOf(sizes), sizeOf(window.output)];
  const [rowMajor, columnMajor] = [stridesOf(sizes), stridesOf(sizes.toReversed()).reverse()];
  const counted = (offset: number) =>
    call.attributes.storage_order === 0
      ? offset
      : sizes.reduce(
          (n, size, axis) => n + (Math.floor(offset / rowMajor[axis]!) % size) * columnMajor[axis]!,
          0,
        );
  const dims = [batch, channels, ...window.output];
  const greatest = filled(x.dtype, dims, rangeOf(x.dtype)[0]);
  const indices = filled("int64", dims, -1);
  for (let out = 0; out < greatest.data.length; out++) {
    const plane = Math.floor(out / outArea) * inArea;
    const position = (out % outArea) * perPosition;
    for (let k = 0; k < perPosition; k++) {
      const offset = at[position + k]!;
      if (offset < 0 || !(x.data[plane + offset]! > greatest.data[out]! || indices.data[out] === -1))
        continue;
      greatest.data[out] = x.data[plane + offset]!;
      indices.data[out] = plane + counted(offset);
    }
  }
  return [greatest, indices];
};

/** Padding counts in the mean with count_include_pad; what ceil_mode adds beyond the padding never does. */
const averagePool: Kernel<"AveragePool"> = (call) => {
  const x = required(call, 0);
  const [batch = 0, channels = 0, ...sizes] = x.dims;
  const window = resolved(call.node);
  const { at, perPosition } = tapsOf(window, window.output, sizes);
  const rank = sizes.length;
  const padded = sizes.map((size, axis) => size + window.pads[axis]! + window.pads[axis + rank]!);
  const unpadded = { ...window, pads: window.pads.map(() => 0) };
  const counts = call.attributes.count_include_pad ? tapsOf(unpadded, window.output, padded).at : at;
  const [inArea, outArea] = [sizeOf(sizes), sizeOf(window.output)];
  const mean = filled(x.dtype, [batch, channels, ...window.output]);
  for (let out = 0; out < mean.data.length; out++) {
    const plane = Math.floor(out / outArea) * inArea;
    const position = (out % outArea) * perPosition;
    let [total, count] = [0, 0];
    for (let k = 0; k < perPosition; k++) {
      const offset = at[position + k]!;
      if (offset >= 0) total += x.data[plane + offset]!;
      if (counts[position + k]! >= 0) count++;
    }
    mean.data[out] = total / count;
  }
  return [mean];
};

/** One number for each channel of each example, from all its spatial positions. */
const globally =
  <N extends "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool">(
    summary: (elements: Float64Array, call: Call<N>) => number,
  ): Kernel<N> =>
  (call) => {
    const x = required(call, 0);
    const { outer, inner, kept } = slicesAlong(x.dims, range(x.dims.length).slice(2));
    const of = (start: number) =>
      summary(
        Float64Array.from(inner, (offset) => x.data[start + offset]!),
        call,
      );
    return [ndArray(x.dtype, kept, Array.from(outer, of))];
  };

export const windows = {
  Conv: (call) => [convolution(call)],
  ConvTranspose: convTranspose,
  MaxPool: maxPool,
  AveragePool: averagePool,
  GlobalAveragePool: globally((elements) => elements.reduce((a, b) => a + b, 0) / elements.length),
  GlobalMaxPool: globally((elements) => elements.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)),
  GlobalLpPool: globally<"GlobalLpPool">(
    (elements, { attributes: { p } }) =>
      elements.reduce((total, x) => total + Math.abs(x) ** p, 0) ** (1 / p),
  ),
} satisfies Kernels;
