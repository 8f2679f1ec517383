import { type Call, indexWithin, type Kernel, type Kernels, required } from "./kernel.ts";
import { filled, type NdArray, ndArray } from "./nd-array.ts";
import { eachAlong } from "./normalization.ts";

/**
 * The negative log-likelihood of class labels.
 *
 * logProbabilities: [batch, classes, ...places]; labels: [batch, ...places]. Labels equal to ignore_index count
 * nothing; "mean" divides by the weights of those that count.
 */
function negativeLogLikelihood(
  call: Call<"SoftmaxCrossEntropyLoss" | "NegativeLogLikelihoodLoss">,
  logProbabilities: NdArray,
): NdArray {
  const labels = required(call, 1);
  const weights = call.inputs[2];
  const { ignore_index, reduction } = call.attributes;
  const [, classes = 0, ...places] = logProbabilities.dims;
  const area = places.reduce((a, b) => a * b, 1);
  const losses = filled(logProbabilities.dtype, labels.dims);
  let counted = 0;
  for (const [i, label] of labels.data.entries()) {
    if (label === ignore_index) continue;
    const index = indexWithin(label, classes, call.node.op);
    const weight = weights ? weights.data[index]! : 1;
    counted += weight;
    losses.data[i] =
      -weight * logProbabilities.data[(Math.floor(i / area) * classes + index) * area + (i % area)]!;
  }
  if (reduction === "none") return losses;
  const total = losses.data.reduce((a, b) => a + b, 0);
  return ndArray(losses.dtype, [], [reduction === "sum" ? total : total / counted]);
}

const softmaxCrossEntropy: Kernel<"SoftmaxCrossEntropyLoss"> = (call) => {
  const logProbabilities = eachAlong(required(call, 0), 1, (x, logTotal) => x - logTotal);
  return [negativeLogLikelihood(call, logProbabilities), logProbabilities];
};

export const losses = {
  SoftmaxCrossEntropyLoss: softmaxCrossEntropy,
  NegativeLogLikelihoodLoss: (call) => [negativeLogLikelihood(call, required(call, 0))],
} satisfies Kernels;
