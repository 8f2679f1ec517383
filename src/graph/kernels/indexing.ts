import { entryOf } from "../../base/entry-of.ts";
import { sliceEnd } from "../slice-end.ts";
import { sizeOf } from "../tensor.ts";
import { nonMaxSuppression } from "./boxes.ts";
import {
  axesOf,
  axisWithin,
  indexWithin,
  type Kernel,
  type Kernels,
  required,
  sameDims,
  shapeMismatch,
} from "./kernel.ts";
import { type NdArray, ndArray, settle } from "./nd-array.ts";
import { offsets, pick, range, stridesOf } from "./offsets.ts";

/**
 * Bounds count from the end where negative and are cut to what the step can reach; a start from before the first element is
 * at the first one, also backwards, which is not numpy's way.
 */
const slice: Kernel<"Slice"> = (call) => {
  const x = required(call, 0);
  const [starts, ends] = [required(call, 1).data, required(call, 2).data];
  const axes = axesOf(call.inputs[3], x.dims.length) ?? range(starts.length);
  const coordinates = x.dims.map(range);
  for (const [i, axis] of axes.entries()) {
    const size = x.dims[axis]!;
    const step = call.inputs[4]?.data[i] ?? 1;
    const [least, greatest] = step > 0 ? [0, size] : [-1, size - 1];
    const bound = (at: number, lowest: number) =>
      Math.min(greatest, Math.max(lowest, at < 0 ? at + size : at));
    const start = bound(starts[i]!, 0);
    const count = Math.max(0, Math.ceil((bound(sliceEnd(ends[i]!, step), least) - start) / step));
    coordinates[axis] = range(count).map((k) => start + k * step);
  }
  return [pick(x, coordinates)];
};

/** Where a coordinate outside 0 … n − 1 reads from; −1 for the constant. */
const beyond: { readonly [mode: string]: (at: number, n: number) => number } = {
  constant: () => -1,
  edge: (at, n) => (at < 0 ? 0 : n - 1),
  wrap: (at, n) => ((at % n) + n) % n,
  reflect: (at, n) => {
    const period = Math.max(1, 2 * (n - 1));
    const within = ((at % period) + period) % period;
    return within < n ? within : period - within;
  },
};

/** Negative pads cut off before positive ones add. */
const pad: Kernel<"Pad"> = (call) => {
  const x = required(call, 0);
  const pads = required(call, 1).data;
  const axes = axesOf(call.inputs[3], x.dims.length) ?? range(x.dims.length);
  const source = entryOf(beyond, call.attributes.mode);
  if (!source)
    return shapeMismatch(
      "Pad",
      `the mode is "${call.attributes.mode}"`,
      "Use constant, reflect, edge or wrap.",
    );
  const coordinates = x.dims.map(range);
  for (const [i, axis] of axes.entries()) {
    const [begin, end] = [pads[i]!, pads[i + axes.length]!];
    const first = Math.max(0, -begin);
    const kept = Math.max(0, x.dims[axis]! + Math.min(0, end) - first);
    const [before, after] = [Math.max(0, begin), Math.max(0, end)];
    if (kept === 0 && call.attributes.mode !== "constant" && before + after > 0)
      return shapeMismatch(
        `Pad of [${x.dims}]`,
        `axis ${axis} is empty`,
        'Pad an empty axis with mode "constant".',
      );
    coordinates[axis] = range(before + kept + after).map((k) => {
      const at = k - before;
      const from = at >= 0 && at < kept ? at : source(at, kept);
      return from < 0 ? -1 : first + from;
    });
  }
  return [pick(x, coordinates, call.inputs[2]?.data[0] ?? 0)];
};

const gather: Kernel<"Gather"> = (call) => {
  const [x, indices] = [required(call, 0), required(call, 1)];
  const axis = axisWithin(call.attributes.axis, x.dims.length);
  const rows = Array.from(indices.data, (index) => indexWithin(index, x.dims[axis]!, "Gather"));
  const picked = pick(
    x,
    x.dims.map((size, i) => (i === axis ? rows : range(size))),
  );
  return [{ ...picked, dims: x.dims.toSpliced(axis, 1, ...indices.dims) }];
};

/** For every index, the offset of the element of `x` that stands at its coordinates, the index itself along `axis`. */
function elementOffsets(x: NdArray, indices: NdArray, axis: number, op: string): number[] {
  if (indices.dims.length !== x.dims.length)
    return shapeMismatch(
      `${op} of [${x.dims}] with indices [${indices.dims}]`,
      "the numbers of axes differ",
      "Give indices of as many axes as the data.",
    );
  const strides = stridesOf(x.dims);
  const others = offsets(
    indices.dims,
    strides.map((stride, i) => (i === axis ? 0 : stride)),
  );
  return Array.from(
    others,
    (offset, i) => offset + indexWithin(indices.data[i]!, x.dims[axis]!, op) * strides[axis]!,
  );
}

/** For every row of indices, the offset of the block of `x` it points to, and the size of such a block. */
function blockOffsets(
  x: NdArray,
  indices: NdArray,
  batchDims: number,
  op: string,
): { at: number[]; block: number } {
  const strides = stridesOf(x.dims);
  const width = indices.dims.at(-1) ?? 0;
  if (indices.dims.length === 0 || batchDims + width > x.dims.length)
    return shapeMismatch(
      `${op} of [${x.dims}] with indices [${indices.dims}]`,
      `each index has ${width} coordinates, the data ${x.dims.length - batchDims} axes`,
      "Give at most as many coordinates as there are axes.",
    );
  const rowsAll = sizeOf(indices.dims.slice(0, -1));
  const batch = sizeOf(x.dims.slice(0, batchDims));
  const batchSize = sizeOf(x.dims.slice(batchDims));
  const rowsEach = batch === 0 ? 0 : rowsAll / batch;
  const at = range(rowsAll).map((row) => {
    let offset = Math.floor(row / rowsEach) * batchSize;
    for (let i = 0; i < width; i++) {
      const axis = batchDims + i;
      offset += indexWithin(indices.data[row * width + i]!, x.dims[axis]!, op) * strides[axis]!;
    }
    return offset;
  });
  return { at, block: sizeOf(x.dims.slice(batchDims + width)) };
}

const gatherND: Kernel<"GatherND"> = (call) => {
  const [x, indices] = [required(call, 0), required(call, 1)];
  const { batch_dims } = call.attributes;
  const { at, block } = blockOffsets(x, indices, batch_dims, "GatherND");
  const data = new Float64Array(at.length * block);
  for (const [row, from] of at.entries()) data.set(x.data.subarray(from, from + block), row * block);
  const dims = [...indices.dims.slice(0, -1), ...x.dims.slice(batch_dims + indices.dims.at(-1)!)];
  return [ndArray(x.dtype, dims, data)];
};

/** What an update makes of the number it meets. */
const reductions: { readonly [name: string]: (old: number, update: number) => number } = {
  none: (_, update) => update,
  add: (old, update) => old + update,
  mul: (old, update) => old * update,
  max: Math.max,
  min: Math.min,
};

/** A copy of `x` with the updates joined in, in order; `at`: where each goes. */
function scattered(x: NdArray, updates: NdArray, at: (i: number) => number, reduction: string): NdArray {
  const join = entryOf(reductions, reduction);
  if (!join)
    return shapeMismatch("Scatter", `the reduction is "${reduction}"`, "Use none, add, mul, max or min.");
  const data = x.data.slice();
  for (const [i, update] of updates.data.entries()) data[at(i)] = join(data[at(i)]!, update);
  return settle(ndArray(x.dtype, x.dims, data));
}

const scatterElements: Kernel<"ScatterElements"> = (call) => {
  const [x, indices, updates] = [required(call, 0), required(call, 1), required(call, 2)];
  if (!sameDims(indices.dims, updates.dims))
    return shapeMismatch(
      `ScatterElements with indices [${indices.dims}]`,
      `the updates are [${updates.dims}]`,
      "Give one update for each index.",
    );
  const at = elementOffsets(x, indices, axisWithin(call.attributes.axis, x.dims.length), "ScatterElements");
  return [scattered(x, updates, (i) => at[i]!, call.attributes.reduction)];
};

const scatterND: Kernel<"ScatterND"> = (call) => {
  const [x, indices, updates] = [required(call, 0), required(call, 1), required(call, 2)];
  const { at, block } = blockOffsets(x, indices, 0, "ScatterND");
  const expected = [...indices.dims.slice(0, -1), ...x.dims.slice(indices.dims.at(-1)!)];
  if (!sameDims(expected, updates.dims))
    return shapeMismatch(
      `ScatterND of [${x.dims}] with indices [${indices.dims}]`,
      `the updates are [${updates.dims}]`,
      `Give updates of shape [${expected}].`,
    );
  return [scattered(x, updates, (i) => at[Math.floor(i / block)]! + (i % block), call.attributes.reduction)];
};

export const indexing = {
  Slice: slice,
  Pad: pad,
  Gather: gather,
  GatherElements: (call) => {
    const [x, indices] = [required(call, 0), required(call, 1)];
    const at = elementOffsets(x, indices, axisWithin(call.attributes.axis, x.dims.length), "GatherElements");
    return [
      ndArray(
        x.dtype,
        indices.dims,
        at.map((offset) => x.data[offset]!),
      ),
    ];
  },
  GatherND: gatherND,
  NonMaxSuppression: nonMaxSuppression,
  ScatterElements: scatterElements,
  ScatterND: scatterND,
} satisfies Kernels;
