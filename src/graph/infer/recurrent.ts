import type { OpenShape, ShapeRule } from "./rule.ts";

/** Y: [tokens, directions, batch, hidden]; the last states: [directions, batch, hidden]; batch first with layout 1. */
const states: ShapeRule<"GRU" | "LSTM" | "RNN"> = (ask) => {
  const [directions, , width] = ask.shape(2) ?? [];
  const hidden = ask.attributes.hidden_size ?? width;
  const [outer, inner] = ask.shape(0) ?? [];
  const isBatchFirst = ask.attributes.layout === 1;
  const all: OpenShape = isBatchFirst
    ? [outer, inner, directions, hidden]
    : [outer, directions, inner, hidden];
  const last: OpenShape = isBatchFirst ? [outer, directions, hidden] : [directions, inner, hidden];
  return [all, last, last].map((shape) => ({ dtype: ask.dtype(0), shape }));
};

export const recurrent = { GRU: states, LSTM: states, RNN: states } as const;
