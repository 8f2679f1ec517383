import { axisWithin, type Call, type Kernel, type Kernels, required, unsupported } from "./kernel.ts";
import { filled, type NdArray, ndArray } from "./nd-array.ts";
import { expand, range, reshaped, slicesAlong } from "./offsets.ts";
import { logSumExp } from "./reduction.ts";

/** A kernel that works on each slice along `axis` by itself. */
function alongAxis(
  call: Call<"LogSoftmax">,
  of: (x: number, logTotal: number) => number,
): readonly NdArray[] {
  const x = required(call, 0);
  return [eachAlong(x, axisWithin(call.attributes.axis, x.dims.length), of)];
}

/** e^(x − largest) over its sum: of the logarithm of a sum nothing is left beside what stands for −∞ in masks. */
function softmax(call: Call<"Softmax">): readonly NdArray[] {
  const x = required(call, 0);
  const { outer, inner } = slicesAlong(x.dims, [axisWithin(call.attributes.axis, x.dims.length)]);
  const data = new Float64Array(x.data.length);
  for (const start of outer) {
    let largest = Number.NEGATIVE_INFINITY;
    for (const offset of inner) largest = Math.max(largest, x.data[start + offset]!);
    let total = 0;
    for (const offset of inner) total += data[start + offset] = Math.exp(x.data[start + offset]! - largest);
    for (const offset of inner) data[start + offset]! /= total;
  }
  return [ndArray(x.dtype, x.dims, data)];
}

/** Every element joined with log Σ e^x of its slice along the axis. */
export function eachAlong(x: NdArray, axis: number, of: (x: number, logTotal: number) => number): NdArray {
  const { outer, inner } = slicesAlong(x.dims, [axis]);
  const data = new Float64Array(x.data.length);
  for (const start of outer) {
    const logTotal = logSumExp(Float64Array.from(inner, (offset) => x.data[start + offset]!));
    for (const offset of inner) data[start + offset] = of(x.data[start + offset]!, logTotal);
  }
  return ndArray(x.dtype, x.dims, data);
}

interface Moments {
  readonly mean: NdArray;
  /** Of the population: divided by the count. */
  readonly variance: NdArray;
}

/** Mean and variance of every slice along `axes`, which have size 1. */
function momentsAlong(x: NdArray, axes: readonly number[]): Moments {
  const { outer, inner, kept } = slicesAlong(x.dims, axes);
  const average = (of: (element: number, slice: number) => number) =>
    ndArray(
      x.dtype,
      kept,
      outer.length === 0
        ? []
        : Array.from(outer, (start, slice) => {
            let total = 0;
            for (const offset of inner) total += of(x.data[start + offset]!, slice);
            return total / inner.length;
          }),
    );
  const mean = average((element) => element);
  return { mean, variance: average((element, slice) => (element - mean.data[slice]!) ** 2) };
}

/** 1 / √(variance + ε). */
const inverseDeviation = (variance: NdArray, epsilon: number): NdArray => ({
  ...variance,
  data: variance.data.map((v) => 1 / Math.sqrt(v + epsilon)),
});

/** (x − mean) · inverse · scale + bias, all broadcast to x. */
function normalised(
  x: NdArray,
  mean: NdArray,
  inverse: NdArray,
  scale: NdArray,
  bias: NdArray | undefined,
): NdArray {
  const [m, r, s] = [expand(mean, x.dims).data, expand(inverse, x.dims).data, expand(scale, x.dims).data];
  const b = bias && expand(bias, x.dims).data;
  return ndArray(
    x.dtype,
    x.dims,
    x.data.map((value, i) => (value - m[i]!) * r[i]! * s[i]! + (b ? b[i]! : 0)),
  );
}

/** A vector of channels laid along axis 1 of an array of this rank. */
const perChannel = (vector: NdArray, rank: number): NdArray =>
  reshaped(vector, [vector.data.length, ...range(rank - 2).map(() => 1)]);

const layerNormalization: Kernel<"LayerNormalization"> = (call) => {
  const x = required(call, 0);
  const { axis, epsilon, stash_type } = call.attributes;
  const from = axisWithin(axis, x.dims.length);
  const { mean, variance } = momentsAlong(x, range(x.dims.length).slice(from));
  const inverse = inverseDeviation(variance, epsilon);
  const dtype = stash_type === 1 ? "float32" : x.dtype;
  return [
    normalised(x, mean, inverse, required(call, 1), call.inputs[2]),
    { ...mean, dtype },
    { ...inverse, dtype },
  ];
};

/** In training the batch's own statistics count, and running = running · momentum + batch · (1 − momentum). */
const batchNormalization: Kernel<"BatchNormalization"> = (call) => {
  const x = required(call, 0);
  const rank = x.dims.length;
  const { epsilon, momentum, training_mode } = call.attributes;
  const [scale, bias, oldMean, oldVariance] = [1, 2, 3, 4].map((i) => required(call, i)) as [
    NdArray,
    NdArray,
    NdArray,
    NdArray,
  ];
  const lay = (vector: NdArray) => perChannel(vector, rank);
  const given = { mean: lay(oldMean), variance: lay(oldVariance) };
  const batch = training_mode
    ? momentsAlong(
        x,
        range(rank).filter((axis) => axis !== 1),
      )
    : undefined;
  const { mean, variance } = batch ?? given;
  const y = normalised(x, mean, inverseDeviation(variance, epsilon), lay(scale), lay(bias));
  if (!batch) return [y];
  const moved = (old: NdArray, now: NdArray): NdArray => ({
    ...old,
    data: old.data.map((value, i) => value * momentum + now.data[i]! * (1 - momentum)),
  });
  return [y, moved(oldMean, batch.mean), moved(oldVariance, batch.variance)];
};

/** Normalises each group of channels of each example; every channel its own group where `groups` is undefined. */
function byGroup(
  call: Call<"InstanceNormalization" | "GroupNormalization">,
  groups?: number,
): readonly NdArray[] {
  const x = required(call, 0);
  const [batch = 0, channels = 0, ...spatial] = x.dims;
  const count = groups ?? channels;
  const grouped = reshaped(x, [batch, count, channels / count, ...spatial]);
  const { mean, variance } = momentsAlong(grouped, range(grouped.dims.length).slice(2));
  const inverse = inverseDeviation(variance, call.attributes.epsilon);
  const one = filled(x.dtype, [], 1);
  const flat = reshaped(normalised(grouped, mean, inverse, one, undefined), x.dims);
  const lay = (i: number) => perChannel(required(call, i), x.dims.length);
  return [normalised(flat, filled(x.dtype, []), one, lay(1), lay(2))];
}

/** The reference draws no randomness: a mask is an explicit input of a training graph. */
const dropout: Kernel<"Dropout"> = (call) => {
  const x = required(call, 0);
  if (call.inputs[2]?.data[0] && call.inputs[1]?.data[0] !== 0)
    return unsupported(call.node, "draws random numbers in training mode");
  return [x, filled("bool", x.dims, 1)];
};

export const normalization = {
  Softmax: softmax,
  LogSoftmax: (call) => alongAxis(call, (x, logTotal) => x - logTotal),
  LayerNormalization: layerNormalization,
  BatchNormalization: batchNormalization,
  InstanceNormalization: (call) => byGroup(call),
  GroupNormalization: (call) => byGroup(call, call.attributes.num_groups),
  Dropout: dropout,
} satisfies Kernels;
