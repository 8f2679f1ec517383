import { DiapasonError } from "../../base/errors.ts";
import { axisWithin, type Kernel, type Kernels, required, shapeMismatch } from "./kernel.ts";
import { type NdArray, ndArray, settle } from "./nd-array.ts";
import { pick, range, reshaped, slicesAlong } from "./offsets.ts";

/** Every slice along an axis made into another one; all of them are `length` long afterwards. */
function bySlice(
  x: NdArray,
  axis: number,
  make: (slice: Float64Array, index: number) => ArrayLike<number>,
  length = x.dims[axis]!,
): NdArray {
  const dims = x.dims.with(axis, length);
  const [from, to] = [slicesAlong(x.dims, [axis]), slicesAlong(dims, [axis])];
  const made = ndArray(x.dtype, dims, new Float64Array(to.outer.length * length));
  for (const [index, start] of from.outer.entries()) {
    const slice = make(
      Float64Array.from(from.inner, (at) => x.data[start + at]!),
      index,
    );
    for (let i = 0; i < length; i++) made.data[to.outer[index]! + to.inner[i]!] = slice[i]!;
  }
  return made;
}

/** What joins each element with all before it; `exclusive`: without itself. */
const running =
  (join: (total: number, x: number) => number, none: number): Kernel<"CumSum"> =>
  (call) => {
    const x = required(call, 0);
    const { exclusive, reverse } = call.attributes;
    const axis = axisWithin(required(call, 1).data[0]!, x.dims.length);
    const accumulated = bySlice(x, axis, (slice) => {
      const line = reverse ? slice.reverse() : slice;
      let total = none;
      const totals = line.map((element) => {
        const before = total;
        total = join(total, element);
        return exclusive ? before : total;
      });
      return reverse ? totals.reverse() : totals;
    });
    return [settle(accumulated)];
  };

/** In order, equal ones in that of their places: the order of an unsorted result is the runtime's own. */
const topK: Kernel<"TopK"> = (call) => {
  const x = required(call, 0);
  const { largest } = call.attributes;
  const axis = axisWithin(call.attributes.axis, x.dims.length);
  const count = required(call, 1).data[0]!;
  if (count > x.dims[axis]!)
    throw new DiapasonError(
      "graph/bad-index",
      `TopK asks for ${count} elements of an axis of size ${x.dims[axis]}.`,
      "Ask for no more elements than there are.",
    );
  const sign = largest ? -1 : 1;
  const places = (slice: Float64Array) =>
    range(slice.length)
      .sort((a, b) => sign * (slice[a]! - slice[b]!) || a - b)
      .slice(0, count);
  const values = bySlice(x, axis, (slice) => places(slice).map((at) => slice[at]!), count);
  return [values, { ...bySlice(x, axis, places, count), dtype: "int64" }];
};

const compress: Kernel<"Compress"> = (call) => {
  const { axis } = call.attributes;
  const x =
    axis === undefined ? reshaped(required(call, 0), [required(call, 0).data.length]) : required(call, 0);
  const along = axisWithin(axis ?? 0, x.dims.length);
  const condition = required(call, 1).data;
  if (condition.length > x.dims[along]!)
    return shapeMismatch(
      `Compress of [${x.dims}]`,
      `its condition has ${condition.length} elements`,
      `Give at most ${x.dims[along]}, one for each place of the axis.`,
    );
  const chosen = range(condition.length).filter((at) => condition[at] !== 0);
  return [
    pick(
      x,
      x.dims.map((size, i) => (i === along ? chosen : range(size))),
    ),
  ];
};

const reverseSequence: Kernel<"ReverseSequence"> = (call) => {
  const x = required(call, 0);
  const lengths = required(call, 1).data;
  const { batch_axis: batch, time_axis: time } = call.attributes;
  const numbered = slicesAlong(x.dims, [time]).outer;
  const stride = x.dims.slice(batch + 1).reduce((total, size) => total * size, 1);
  return [
    bySlice(x, time, (slice, index) => {
      const length = lengths[Math.floor(numbered[index]! / stride) % x.dims[batch]!]!;
      return slice.map((_, at) => slice[at < length ? length - 1 - at : at]!);
    }),
  ];
};

const hardmax: Kernel<"Hardmax"> = (call) => {
  const x = required(call, 0);
  return [
    bySlice(x, axisWithin(call.attributes.axis, x.dims.length), (slice) => {
      const greatest = slice.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      const first = slice.indexOf(greatest);
      return slice.map((_, at) => (at === first ? 1 : 0));
    }),
  ];
};

/** The different elements, or the different slices along an axis, compared from their first element on. */
const unique: Kernel<"Unique"> = (call) => {
  const { axis, sorted } = call.attributes;
  const x =
    axis === undefined ? reshaped(required(call, 0), [required(call, 0).data.length]) : required(call, 0);
  const along = axisWithin(axis ?? 0, x.dims.length);
  const { outer, inner } = slicesAlong(
    x.dims,
    range(x.dims.length).filter((i) => i !== along),
  );
  const read = (place: number) => Array.from(inner, (at) => x.data[outer[place]! + at]!);
  const slices = range(x.dims[along]!).map(read);
  const compare = (a: number, b: number): number => {
    const differs = slices[a]!.findIndex((element, i) => element !== slices[b]![i]);
    return differs < 0 ? 0 : slices[a]![differs]! - slices[b]![differs]!;
  };
  const firsts: number[] = [];
  for (const place of range(slices.length))
    if (!firsts.some((first) => compare(first, place) === 0)) firsts.push(place);
  if (sorted) firsts.sort(compare);
  const inverse = range(slices.length).map((place) =>
    firsts.findIndex((first) => compare(first, place) === 0),
  );
  const list = (values: readonly number[]) => ndArray("int64", [values.length], values);
  return [
    pick(
      x,
      x.dims.map((size, i) => (i === along ? firsts : range(size))),
    ),
    list(firsts),
    list(inverse),
    list(firsts.map((_, i) => inverse.filter((found) => found === i).length)),
  ];
};

export const alongAxis = {
  Compress: compress,
  CumProd: running((total, x) => total * x, 1),
  CumSum: running((total, x) => total + x, 0),
  Hardmax: hardmax,
  ReverseSequence: reverseSequence,
  TopK: topK,
  Unique: unique,
} satisfies Kernels;
