import { DiapasonError } from "../../base/errors.ts";
import { sizeOf } from "../tensor.ts";
import type { NdArray } from "./nd-array.ts";

/** Distances in a row-major array between neighbours along each axis. */
export function stridesOf(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length);
  let stride = 1;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= dims[axis]!;
  }
  return strides;
}

/** The offset of every element of a row-major walk over `dims` in an array with these strides. */
export function offsets(dims: readonly number[], strides: readonly number[], start = 0): Int32Array {
  let found = Int32Array.of(start);
  for (const [axis, size] of dims.entries()) {
    const stride = strides[axis]!;
    const next = new Int32Array(found.length * size);
    for (let i = 0, k = 0; i < found.length; i++)
      for (let j = 0, offset = found[i]!; j < size; j++, offset += stride) next[k++] = offset;
    found = next;
  }
  return found;
}

/** The elements whose coordinate along each axis stands in that axis's list; `fill` where it is negative. */
export function pick(x: NdArray, coordinates: readonly ArrayLike<number>[], fill = 0): NdArray {
  const strides = stridesOf(x.dims);
  const [last = [0], ...others] = coordinates.toReversed();
  let found = Int32Array.of(0);
  for (const [axis, list] of others.toReversed().entries()) {
    const next = new Int32Array(found.length * list.length);
    for (let i = 0, k = 0; i < found.length; i++)
      for (let j = 0; j < list.length; j++)
        next[k++] = found[i]! < 0 || list[j]! < 0 ? -1 : found[i]! + list[j]! * strides[axis]!;
    found = next;
  }
  const within = Int32Array.from(last);
  const size = within.length;
  const data = new Float64Array(found.length * size);
  const isRun = within.every((at, i) => at >= 0 && at === within[0]! + i);
  for (let i = 0, to = 0; i < found.length; i++, to += size) {
    const from = found[i]!;
    if (from < 0) data.fill(fill, to, to + size);
    else if (isRun) data.set(x.data.subarray(from + within[0]!, from + within[0]! + size), to);
    else for (let j = 0; j < size; j++) data[to + j] = within[j]! < 0 ? fill : x.data[from + within[j]!]!;
  }
  return { dtype: x.dtype, dims: coordinates.map((list) => list.length), data };
}

/** 0, 1, … n − 1. */
export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** The dims that all these dims broadcast to. @throws graph/shape-mismatch where sizes differ and neither is 1. */
export function broadcastDims(all: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...all.map((dims) => dims.length));
  return range(rank).map((axis) => {
    let size = 1;
    for (const dims of all) {
      const mine = dims[axis - rank + dims.length] ?? 1;
      if (mine === 1 || mine === size) continue;
      if (size !== 1)
        throw new DiapasonError(
          "graph/shape-mismatch",
          `${all.map((d) => `[${d}]`).join(" · ")}: the sizes ${size} and ${mine} meet in axis ${axis - rank} and neither is 1.`,
          "Make the sizes equal, or 1 where a side is to be repeated.",
        );
      size = mine;
    }
    return size;
  });
}

/** Strides that walk an array as if it were broadcast to `dims`: 0 along repeated axes. */
export function broadcastStrides(from: readonly number[], dims: readonly number[]): number[] {
  const strides = stridesOf(from);
  const missing = dims.length - from.length;
  return dims.map((_, axis) => (axis < missing || from[axis - missing] === 1 ? 0 : strides[axis - missing]!));
}

/** An array broadcast to `dims`; itself where nothing is repeated. */
export function expand(x: NdArray, dims: readonly number[]): NdArray {
  if (x.dims.length === dims.length && x.dims.every((size, axis) => size === dims[axis])) return x;
  return walked(x, dims, broadcastStrides(x.dims, dims));
}

/** An array with its axes in another order. */
export function transpose(x: NdArray, perm: readonly number[]): NdArray {
  const strides = stridesOf(x.dims);
  return walked(
    x,
    perm.map((axis) => x.dims[axis]!),
    perm.map((axis) => strides[axis]!),
  );
}

/** The elements of a row-major walk over `dims` with these strides. */
function walked(x: NdArray, dims: readonly number[], strides: readonly number[]): NdArray {
  const { sizes, steps } = merged(dims, [strides]);
  const [size, step] = [sizes.at(-1) ?? 1, steps[0]!.at(-1) ?? 0];
  const starts = offsets(sizes.slice(0, -1), steps[0]!.slice(0, -1));
  const data = new Float64Array(starts.length * size);
  for (let i = 0, to = 0; i < starts.length; i++, to += size) {
    const from = starts[i]!;
    if (step === 1) data.set(x.data.subarray(from, from + size), to);
    else for (let j = 0, at = from; j < size; j++, at += step) data[to + j] = x.data[at]!;
  }
  return { dtype: x.dtype, dims, data };
}

/**
 * The same walk over as few axes as do it: neighbours along which every array goes on as along one axis are one.
 * `steps`: strides of each array.
 */
export function merged(
  dims: readonly number[],
  strides: readonly (readonly number[])[],
): { readonly sizes: readonly number[]; readonly steps: readonly (readonly number[])[] } {
  const sizes: number[] = [];
  const steps: number[][] = strides.map(() => []);
  for (const [axis, size] of dims.entries()) {
    if (size === 1) continue;
    const goesOn = sizes.length > 0 && strides.every((own, i) => steps[i]!.at(-1) === own[axis]! * size);
    if (goesOn) sizes.push(sizes.pop()! * size);
    else sizes.push(size);
    for (const [i, own] of strides.entries()) {
      if (goesOn) steps[i]!.pop();
      steps[i]!.push(own[axis]!);
    }
  }
  return { sizes, steps };
}

/**
 * A walk over an array in slices: `outer` holds the offset of each slice, `inner` that of each element within one.
 * Slices run along `axes`; both lists are row-major.
 */
export interface Slices {
  readonly outer: Int32Array;
  readonly inner: Int32Array;
  /** The array's dims with 1 along `axes`. */
  readonly kept: readonly number[];
}

export function slicesAlong(dims: readonly number[], axes: readonly number[]): Slices {
  const strides = stridesOf(dims);
  const chosen = new Set(axes);
  const over = (wanted: boolean) => {
    const some = range(dims.length).filter((axis) => chosen.has(axis) === wanted);
    return offsets(
      some.map((axis) => dims[axis]!),
      some.map((axis) => strides[axis]!),
    );
  };
  return {
    outer: over(false),
    inner: over(true),
    kept: dims.map((size, axis) => (chosen.has(axis) ? 1 : size)),
  };
}

/** The same elements under another shape of the same size. */
export function reshaped(x: NdArray, dims: readonly number[]): NdArray {
  if (sizeOf(dims) !== x.data.length)
    throw new DiapasonError(
      "graph/shape-mismatch",
      `[${x.dims}] has ${x.data.length} elements, the new shape [${dims}] has ${sizeOf(dims)}.`,
      "Ask for a shape of the same number of elements.",
    );
  return { ...x, dims };
}
