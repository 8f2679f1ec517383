import { dataTypeOf } from "../element-types.ts";
import type { DataType } from "../tensor.ts";
import { type Call, type Kernel, type Kernels, required } from "./kernel.ts";
import { type NdArray, ndArray, settle } from "./nd-array.ts";
import { range } from "./offsets.ts";

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
  HammingWindow: window([25 / 46, 21 / 46]),
  HannWindow: window([0.5, 0.5]),
  MelWeightMatrix: melWeightMatrix,
} satisfies Kernels;
