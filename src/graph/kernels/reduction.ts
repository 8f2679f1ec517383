import { axesOf, axisWithin, type Kernel, type Kernels, required } from "./kernel.ts";
import { type NdArray, ndArray, rangeOf, settle } from "./nd-array.ts";
import { range, slicesAlong } from "./offsets.ts";

/** Makes one number of the numbers of a slice of `x`. */
type Summary = (slice: Float64Array, x: NdArray) => number;

/** One number for every slice along `axes`, which keep size 1 or go. */
function summarise(x: NdArray, axes: readonly number[], keepdims: boolean, summary: Summary): NdArray {
  const { outer, inner, kept } = slicesAlong(x.dims, axes);
  const slice = new Float64Array(inner.length);
  const data = new Float64Array(outer.length).map((_, at) => {
    for (let i = 0; i < slice.length; i++) slice[i] = x.data[outer[at]! + inner[i]!]!;
    return summary(slice, x);
  });
  return ndArray(x.dtype, keepdims ? kept : kept.filter((_, axis) => !axes.includes(axis)), data);
}

type Reduction = Kernel<"ReduceSum">;

/** With no axes every axis is reduced, or none of them with noop_with_empty_axes: then each element is a slice. */
const reduce =
  (summary: Summary): Reduction =>
  (call) => {
    const x = required(call, 0);
    const named = axesOf(call.inputs[1], x.dims.length) ?? [];
    const axes = named.length > 0 || call.attributes.noop_with_empty_axes ? named : range(x.dims.length);
    return [settle(summarise(x, axes, call.attributes.keepdims !== 0, summary))];
  };

/**
 * What each addition rounds away is added up beside the sum (Neumaier 1974): differences of long sums, as a gradient check
 * takes them, are then those of their terms.
 */
function sum(slice: Float64Array): number {
  let [total, lost] = [0, 0];
  for (const x of slice) {
    const next = total + x;
    lost += Math.abs(total) >= Math.abs(x) ? total - next + x : x - next + total;
    total = next;
  }
  return Number.isFinite(total) ? total + lost : total;
}
const sumOfSquares = (slice: Float64Array): number => slice.reduce((total, x) => total + x * x, 0);

/** log Σ e^x, shifted by the greatest element so that nothing overflows. */
export function logSumExp(slice: Float64Array): number {
  const greatest = slice.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (!Number.isFinite(greatest)) return greatest;
  return greatest + Math.log(slice.reduce((total, x) => total + Math.exp(x - greatest), 0));
}

/** The position of the element that `beats` all others; of equal ones the first, or the last when asked. */
const position =
  (beats: (a: number, b: number) => boolean): Kernel<"ArgMax"> =>
  (call) => {
    const x = required(call, 0);
    const { axis, keepdims, select_last_index } = call.attributes;
    const found = summarise(x, [axisWithin(axis, x.dims.length)], keepdims !== 0, (slice) => {
      let best = 0;
      for (let i = 1; i < slice.length; i++)
        if (beats(slice[i]!, slice[best]!) || (select_last_index && slice[i] === slice[best])) best = i;
      return best;
    });
    return [{ ...found, dtype: "int64" }];
  };

export const reduction = {
  ReduceSum: reduce(sum),
  // of nothing ONNX Runtime gives 0
  ReduceMean: reduce((slice) => (slice.length === 0 ? 0 : sum(slice) / slice.length)),
  ReduceMax: reduce((slice, { dtype }) => slice.reduce((a, b) => Math.max(a, b), rangeOf(dtype)[0])),
  ReduceMin: reduce((slice, { dtype }) => slice.reduce((a, b) => Math.min(a, b), rangeOf(dtype)[1])),
  ReduceProd: reduce((slice) => slice.reduce((total, x) => total * x, 1)),
  ReduceL1: reduce((slice) => slice.reduce((total, x) => total + Math.abs(x), 0)),
  ReduceL2: reduce((slice) => Math.sqrt(sumOfSquares(slice))),
  ReduceLogSum: reduce((slice) => Math.log(sum(slice))),
  ReduceLogSumExp: reduce(logSumExp),
  ReduceSumSquare: reduce(sumOfSquares),
  ArgMax: position((a, b) => a > b),
  ArgMin: position((a, b) => a < b),
} satisfies Kernels;
