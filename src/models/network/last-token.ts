import type { Value } from "../../graph/ir.ts";
import type { Network } from "./network.ts";

/**
 * The hidden state of each example's last token that is not padding: [batch, tokens, width] -> [batch, width].
 *
 * transformers finds it by the pad token, which is the same for inputs that its tokenizers make.
 */
export function lastTokenOf(m: Network, hidden: Value): Value {
  const { g } = m;
  const mask = m.input("attention_mask", "int64", ["batch", "tokens"]);
  const last = g.op("ArgMax", [g.mul(m.countedPositions(mask), mask)], { axis: 1, keepdims: 1 });
  const row = g.op("GatherND", [hidden, last], { batch_dims: 1 });
  return row;
}
