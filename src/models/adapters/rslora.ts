import { kaimingPair, lowRank } from "./low-rank.ts";
import type { AdapterMethod } from "./method.ts";

/** W + (α/√r)·B·A, whose size does not shrink as the rank grows. Source: Kalajdzievski 2023, arXiv:2312.03732. */
export const rslora: AdapterMethod = {
  title: "rsLoRA",
  learningRate: 5e-4,
  alpha: (rank) => rank,
  targets: "lora",
  bias: "none",
  peft: { type: "LORA", flags: { use_dora: false } },
  isRankStabilized: true,
  layers: lowRank({ start: kaimingPair }),
};
