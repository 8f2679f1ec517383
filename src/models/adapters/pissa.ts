import { DiapasonError } from "../../base/errors.ts";
import { floatsOf, transposed } from "./adapted.ts";
import { lowRank, type Pair, scaleOf } from "./low-rank.ts";
import type { AdapterMethod, Placement } from "./method.ts";
import { leadingSingular } from "./singular.ts";

/**
 * LoRA that starts from the strongest directions of the weight W = U·S·Vᵀ: B = U√(S/s), A = √(S/s)Vᵀ over the r largest,
 * which are taken out of W. Source: Meng et al. 2024, arXiv:2404.02948.
 */
export const pissa: AdapterMethod = {
  title: "PiSSA",
  learningRate: 2e-4,
  alpha: (rank) => rank,
  targets: "lora",
  bias: "none",
  peft: { type: "LORA", flags: { use_dora: false } },
  layers: {
    ...lowRank({ start: principalPair, takesOut: true }),
    kinds: ["linear"],
  },
};

function principalPair(placement: Placement): Pair {
  const { layer, rank, seed } = placement;
  const { inSize, outSize, isOutFirst, weight, module } = layer;
  if (rank > Math.min(inSize, outSize))
    throw new DiapasonError(
      "models/bad-adapter",
      `The rank is ${rank}; the weight of ${module}, [${outSize}, ${inSize}], has at most ${Math.min(inSize, outSize)} singular values.`,
      "Give a lower rank, or leave the module out of the targets.",
    );
  const stored = floatsOf(weight.constant!);
  const matrix = isOutFirst ? stored : transposed(stored, inSize, outSize);
  const { u, s, v } = leadingSingular(matrix, { rows: outSize, columns: inSize, rank, seed, name: module });
  const root = s.map((value) => Math.sqrt(value / scaleOf(placement)));
  return {
    a: Float32Array.from({ length: rank * inSize }, (_, at) => {
      const k = Math.floor(at / inSize);
      return root[k]! * v[(at % inSize) * rank + k]!;
    }),
    b: Float32Array.from({ length: outSize * rank }, (_, at) => root[at % rank]! * u[at]!),
  };
}
