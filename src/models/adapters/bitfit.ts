import type { AdapterMethod } from "./method.ts";

/** Only biases move, and the head. Source: Ben Zaken et al. 2022, arXiv:2106.10199. */
export const bitfit: AdapterMethod = {
  title: "BitFit",
  learningRate: 1e-3,
  alpha: (rank) => rank,
  targets: "lora",
  bias: "all",
};
