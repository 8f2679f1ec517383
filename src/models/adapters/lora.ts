import { kaimingPair, lowRank } from "./low-rank.ts";
import type { AdapterMethod } from "./method.ts";

/** W + (α/r)·B·A. Source: Hu et al. 2021, arXiv:2106.09685. */
export const lora: AdapterMethod = {
  title: "LoRA",
  learningRate: 5e-4,
  alpha: (rank) => 2 * rank,
  targets: "lora",
  bias: "none",
  peft: { type: "LORA", flags: { use_dora: false } },
  layers: lowRank({ start: kaimingPair }),
};
