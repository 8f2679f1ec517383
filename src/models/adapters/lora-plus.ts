import { kaimingPair, lowRank } from "./low-rank.ts";
import type { AdapterMethod } from "./method.ts";

/** LoRA whose B moves several times as fast as A. Source: Hayou et al. 2024, arXiv:2402.12354. */
export const loraPlus: AdapterMethod = {
  title: "LoRA+",
  // about half of LoRA's, since B moves faster
  learningRate: 2e-4,
  alpha: (rank) => 2 * rank,
  targets: "lora",
  bias: "none",
  vectorsAreFast: true,
  peft: { type: "LORA", flags: { use_dora: false } },
  layers: lowRank({
    start: kaimingPair,
    rateOfB: ({ rateRatio }) => rateRatio,
  }),
};
