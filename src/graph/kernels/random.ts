import { random as stream } from "../../base/random.ts";
import { dataTypeOf } from "../element-types.ts";
import type { OpName } from "../schemas.ts";
import { sizeOf } from "../tensor.ts";
import { type Call, type Kernel, type Kernels, required } from "./kernel.ts";
import { type NdArray, ndArray, settle } from "./nd-array.ts";

type Like = "RandomNormalLike" | "RandomUniformLike";
type Draws = Like | "Bernoulli" | "Multinomial" | "RandomNormal" | "RandomUniform";

/**
 * The numbers a node draws: other ones in each node, the same in each run, without which no difference could be taken
 * through it. They are not those of ONNX Runtime, whose generator is its own.
 */
const streamOf = <N extends OpName & Draws>({ node, attributes }: Call<N>) =>
  stream(attributes.seed ?? 0, node.op, node.name, node.outputs[0]?.name ?? "");

function drawn<N extends OpName & Draws>(
  call: Call<N>,
  dims: readonly number[],
  draw: (i: number) => number,
): NdArray {
  const dtype = call.attributes.dtype;
  const data = Float64Array.from({ length: sizeOf(dims) }, (_, i) => draw(i));
  return settle(ndArray(dtype === undefined ? required(call, 0).dtype : dataTypeOf(dtype)!, dims, data));
}

const normal: Kernel<"RandomNormal" | "RandomNormalLike"> = (call) => {
  const draws = streamOf(call);
  const { mean, scale } = call.attributes;
  return [drawn(call, dimsOf(call), () => mean + scale * draws.normal())];
};

const uniform: Kernel<"RandomUniform" | "RandomUniformLike"> = (call) => {
  const draws = streamOf(call);
  const { low, high } = call.attributes;
  return [drawn(call, dimsOf(call), () => low + (high - low) * draws.uniform())];
};

function dimsOf(call: Call<Like | "RandomNormal" | "RandomUniform">): readonly number[] {
  const { shape } = call.attributes as { readonly shape?: readonly number[] };
  return shape ?? required(call, 0).dims;
}

/** Classes by their unnormalised log-probabilities: the largest after Gumbel noise. */
const multinomial: Kernel<"Multinomial"> = (call) => {
  const draws = streamOf(call);
  const logits = required(call, 0);
  const [batch, classes] = logits.dims as [number, number];
  const samples = call.attributes.sample_size;
  const draw = (i: number) => {
    const row = logits.data.subarray(
      Math.floor(i / samples) * classes,
      (Math.floor(i / samples) + 1) * classes,
    );
    const noisy = row.map((logit) => logit - Math.log(-Math.log(1 - draws.uniform() || 1e-12)));
    return noisy.indexOf(noisy.reduce((a, b) => Math.max(a, b)));
  };
  return [drawn(call, [batch, samples], draw)];
};

export const random = {
  // as ONNX's function body and ONNX Runtime have it: 1 where the draw exceeds the number
  Bernoulli: (call) => {
    const draws = streamOf(call);
    const chances = required(call, 0);
    return [drawn(call, chances.dims, (i) => +(draws.uniform() > chances.data[i]!))];
  },
  Multinomial: multinomial,
  RandomNormal: normal,
  RandomNormalLike: normal,
  RandomUniform: uniform,
  RandomUniformLike: uniform,
} as const satisfies Kernels;
