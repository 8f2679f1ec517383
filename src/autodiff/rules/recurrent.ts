import type { GradRules } from "../rule.ts";

export const recurrent = {
  GRU: "no-gradient",
  LSTM: "no-gradient",
  RNN: "no-gradient",
} satisfies Partial<GradRules>;
