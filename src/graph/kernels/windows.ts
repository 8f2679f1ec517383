import { bug } from "../../base/errors.ts";
import type { Node } from "../ir.ts";
import { sizeOf } from "../tensor.ts";
import { type Window, windowOf } from "../window.ts";
import { type Call, type Kernel, type Kernels, required } from "./kernel.ts";
import { filled, type NdArray, ndArray, rangeOf, settle } from "./nd-array.ts";
import { range, slicesAlong, stridesOf } from "./offsets.ts";
import { addProduct } from "./products.ts";

/** A window with every size known, as it is once the input is there. */
const resolved = (node: Node): Window & { readonly output: readonly number[] } => {
  const window = windowOf(node);
  return window?.output.every((size) => typeof size === "number")
    ? (window as Window & { readonly output: readonly number[] })
    : bug(`the window of ${node.op} "${node.name}" is not resolved for known sizes`);
};

/**
 * For each tap of the window, row-major, and then for each of its positions: the offset it touches in the array of `touched`
 * sizes, or −1 for a tap outside it.
 */
function tapsOf(
  { kernel, strides, dilations, pads }: Window,
  positions: readonly number[],
  touched: readonly number[],
): readonly Int32Array[] {
  const [tapWalk, step] = [stridesOf(kernel), stridesOf(touched)];
  return range(sizeOf(kernel)).map((tap) => {
    let found = Int32Array.of(0);
    for (const [axis, count] of positions.entries()) {
      const first = (Math.floor(tap / tapWalk[axis]!) % kernel[axis]!) * dilations[axis]! - pads[axis]!;
      const next = new Int32Array(found.length * count);
      for (let i = 0, to = 0; i < found.length; i++)
        for (let p = 0, on = first; p < count; p++, on += strides[axis]!)
          next[to++] = found[i]! < 0 || on < 0 || on >= touched[axis]! ? -1 : found[i]! + on * step[axis]!;
      found = next;
    }
    return found;
  });
}

/** Also of integers, whose zero points are taken away before. */
export function convolution(call: Call<"Conv" | "ConvInteger">): NdArray {
  const [x, w, bias] = [required(call, 0), required(call, 1), call.inputs[2]];
  const [batch = 0, , ...sizes] = x.dims;
  const [made = 0, reads = 0] = w.dims;
  const window = resolved(call.node);
  const taps = tapsOf(window, window.output, sizes);
  const [inArea, outArea] = [sizeOf(sizes), sizeOf(window.output)];
  const { group } = call.attributes;
  const madePerGroup = made / group;
  const rowLength = window.output[window.output.length - 1]!;
  const data = new Float64Array(batch * made * outArea);
  if (bias)
    for (let m = 0; m < batch * made; m++) data.fill(bias.data[m % made]!, m * outArea, (m + 1) * outArea);
  const perChannel = reads * taps.length;
  for (let n = 0; n < batch; n++)
    for (let g = 0; g < group; g++) {
      const first = g * madePerGroup;
      addProduct(
        w.data.subarray(first * perChannel, (first + madePerGroup) * perChannel),
        (into, k, position) => {
          const channel = (n * group + g) * reads + Math.floor(k / taps.length);
          readTap(into, x.data, channel * inArea, taps[k % taps.length]!, position, rowLength);
        },
        data.subarray((n * made + first) * outArea, (n * made + first + madePerGroup) * outArea),
        [madePerGroup, perChannel, outArea],
      );
    }
  return settle(ndArray(x.dtype, [batch, made, ...window.output], data));
}

/**
 * What a tap reads of a plane for the positions from `position` on, rows of `rowLength`; 0 beside it. In a row it reads a run
 * of neighbours, unless the window leaps.
 */
function readTap(
  row: Float64Array,
  data: Float64Array,
  plane: number,
  tap: Int32Array,
  position: number,
  rowLength: number,
): void {
  for (let i = 0; i < row.length; ) {
    let end = Math.min(row.length, i + rowLength - ((position + i) % rowLength));
    const next = end;
    while (i < end && tap[position + i]! < 0) row[i++] = 0;
    while (end > i && tap[position + end - 1]! < 0) row[--end] = 0;
    if (i < end) {
      const from = tap[position + i]!;
      if (tap[position + end - 1]! - from === end - 1 - i)
        for (let at = plane + from; i < end; i++, at++) row[i] = data[at]!;
      else for (; i < end; i++) row[i] = data[plane + tap[position + i]!]!;
    }
    i = next;
  }
}

/** Each input element adds its weighted window to the output: Conv with reading and writing exchanged. */
const convTranspose: Kernel<"ConvTranspose"> = (call) => {
  const [x, w, bias] = [required(call, 0), required(call, 1), call.inputs[2]];
  const [batch = 0, channels = 0, ...sizes] = x.dims;
  const window = resolved(call.node);
  const taps = tapsOf(window, sizes, window.output);
  const [inArea, outArea] = [sizeOf(sizes), sizeOf(window.output)];
  const madePerGroup = w.dims[1]!;
  const { group } = call.attributes;
  const made = madePerGroup * group;
  const data = new Float64Array(batch * made * outArea);
  if (bias)
    for (let m = 0; m < batch * made; m++) data.fill(bias.data[m % made]!, m * outArea, (m + 1) * outArea);
  const [perGroup, perChannel] = [channels / group, madePerGroup * taps.length];
  const parts = new Float64Array(perChannel * inArea);
  for (let n = 0; n < batch; n++)
    for (let g = 0; g < group; g++) {
      const from = w.data.subarray(g * perGroup * perChannel, (g + 1) * perGroup * perChannel);
      // [made in a group · taps, channels of the group]
      const weights = Float64Array.from(
        from,
        (_, i) => from[(i % perGroup) * perChannel + Math.floor(i / perGroup)]!,
      );
      const planes = (n * group + g) * perGroup;
      addProduct(
        weights,
        (into, c, position) => {
          const start = (planes + c) * inArea + position;
          into.set(x.data.subarray(start, start + into.length));
        },
        parts.fill(0),
        [perChannel, perGroup, inArea],
      );
      for (let k = 0; k < perChannel; k++) {
        const tap = taps[k % taps.length]!;
        const out = (n * made + g * madePerGroup + Math.floor(k / taps.length)) * outArea;
        for (let p = 0, part = k * inArea; p < inArea; p++, part++)
          if (tap[p]! >= 0) data[out + tap[p]!] = data[out + tap[p]!]! + parts[part]!;
      }
    }
  return [settle(ndArray(x.dtype, [batch, made, ...window.output], data))];
};

/** Indices count through the whole input; with storage_order 1 the first spatial axis is the fastest. */
const maxPool: Kernel<"MaxPool"> = (call) => {
  const x = required(call, 0);
  const [batch = 0, channels = 0, ...sizes] = x.dims;
  const window = resolved(call.node);
  const taps = tapsOf(window, window.output, sizes);
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
    const position = out % outArea;
    for (const tap of taps) {
      const offset = tap[position]!;
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
  const taps = tapsOf(window, window.output, sizes);
  const rank = sizes.length;
  const padded = sizes.map((size, axis) => size + window.pads[axis]! + window.pads[axis + rank]!);
  const unpadded = { ...window, pads: window.pads.map(() => 0) };
  const counts = call.attributes.count_include_pad ? tapsOf(unpadded, window.output, padded) : taps;
  const [inArea, outArea] = [sizeOf(sizes), sizeOf(window.output)];
  const mean = filled(x.dtype, [batch, channels, ...window.output]);
  for (let out = 0; out < mean.data.length; out++) {
    const plane = Math.floor(out / outArea) * inArea;
    const position = out % outArea;
    let [total, count] = [0, 0];
    for (let k = 0; k < taps.length; k++) {
      const offset = taps[k]![position]!;
      if (offset >= 0) total += x.data[plane + offset]!;
      if (counts[k]![position]! >= 0) count++;
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
