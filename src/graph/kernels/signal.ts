import { dataTypeOf } from "../element-types.ts";
import { type Fourier, flawOf, fourierMatrix, transformed } from "../fourier.ts";
import type { DataType } from "../tensor.ts";
import { axisWithin, type Call, type Kernel, type Kernels, required, shapeMismatch } from "./kernel.ts";
import { matmul } from "./linear.ts";
import { type NdArray, ndArray, settle } from "./nd-array.ts";
import { range, reshaped, transpose } from "./offsets.ts";

/** Each line moved behind the others, as one row of points and parts, by the matrix. */
const dft: Kernel<"DFT"> = (call) => {
  const x = required(call, 0);
  const rank = x.dims.length;
  const axis = axisWithin(call.inputs[2]?.data[0] ?? -2, rank);
  const { inverse, onesided } = call.attributes;
  const from = x.dims[axis]!;
  const fourier: Fourier = {
    from,
    fromParts: x.dims[rank - 1]!,
    length: call.inputs[1]?.data[0] ?? (inverse && onesided ? 2 * (from - 1) : from),
    inverse: inverse !== 0,
    onesided: onesided !== 0,
  };
  const flaw = flawOf(fourier);
  if (flaw)
    return shapeMismatch(
      `DFT of [${x.dims}]`,
      flaw,
      "Cut the spectrum, or fill it up with zeros, before it.",
    );
  const { to, toParts } = transformed(fourier);
  const others = range(rank - 1).filter((i) => i !== axis);
  const moved = transpose(x, [...others, axis, rank - 1]);
  const lead = others.map((i) => x.dims[i]!);
  const rows = reshaped(moved, [...lead, from * fourier.fromParts]);
  const matrix = ndArray(x.dtype, [from * fourier.fromParts, to * toParts], fourierMatrix(fourier));
  const product = reshaped(matmul(rows, matrix), [...lead, to, toParts]);
  const back = range(rank - 1).map((i) => (i === axis ? rank - 2 : others.indexOf(i)));
  return [transpose(product, [...back, rank - 1])];
};

/** Σ (−1)^k·weights[k]·cos(2πkn/N), over `size` points of which the last would be the first again, or is it. */
const window =
  (weights: readonly number[]): Kernel<"HannWindow"> =>
  (call) => {
    const size = required(call, 0).data[0]!;
    const length = call.attributes.periodic ? size : size - 1;
    const at = (n: number) =>
      weights.reduce((total, w, k) => total + (-1) ** k * w * Math.cos((2 * Math.PI * k * n) / length), 0);
    return [typed(call, [size], range(size).map(at))];
  };

function typed(
  call: Call<"HannWindow"> | Call<"MelWeightMatrix">,
  dims: readonly number[],
  values: ArrayLike<number>,
): NdArray {
  return settle(ndArray(dataTypeOf(call.attributes.output_datatype) as DataType, dims, values));
}

/** Triangles over the bins of a spectrum, equally wide on the mel scale: 2595·log₁₀(1 + hertz/700). */
const melWeightMatrix: Kernel<"MelWeightMatrix"> = (call) => {
  const [count, length, rate, lower, upper] = range(5).map((i) => required(call, i).data[0]!) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const mel = (hertz: number) => 2595 * Math.log10(1 + hertz / 700);
  const step = (mel(upper) - mel(lower)) / (count + 2);
  const edges = range(count + 2).map((i) => {
    const hertz = 700 * (10 ** ((mel(lower) + i * step) / 2595) - 1);
    return Math.floor(((length + 1) * hertz) / rate);
  });
  const bins = Math.floor(length / 2) + 1;
  const data = new Float64Array(bins * count);
  for (const i of range(count)) {
    const [low, peak, high] = edges.slice(i, i + 3) as [number, number, number];
    for (let bin = low; bin < high; bin++)
      data[bin * count + i] = bin < peak ? (bin - low) / (peak - low) : (high - bin) / (high - peak);
    data[peak * count + i] = 1;
  }
  return [typed(call, [bins, count], data)];
};

export const signal = {
  BlackmanWindow: window([0.42, 0.5, 0.08]),
  DFT: dft,
  HammingWindow: window([25 / 46, 21 / 46]),
  HannWindow: window([0.5, 0.5]),
  MelWeightMatrix: melWeightMatrix,
} satisfies Kernels;
