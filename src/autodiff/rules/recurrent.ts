import type { GradRules } from "../rule.ts";

export const recurrent = {
  GRU: "expansion",
  LSTM: "expansion",
  RNN: "expansion",
} satisfies Partial<GradRules>;
