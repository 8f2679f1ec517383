import { entryOf } from "../../base/entry-of.ts";
import { rankOf } from "../builder.ts";
import type { Value } from "../ir.ts";
import { type Composite, type Expansions, noExpansion } from "./expansion.ts";

/** Rows divided by what their norm measures; a row that it measures as 0 stays. */
function normalized({ g, node, x: [input], attrs: { norm } }: Composite<"ai.onnx.ml.Normalizer">): Value {
  const x = g.cast(input, "float32");
  if (rankOf(x) > 2) noExpansion(node, `it normalises an array of ${rankOf(x)} axes`);
  const last = [rankOf(x) - 1];
  const measure: { readonly [norm: string]: () => Value } = {
    MAX: () => g.op("ReduceMax", [x, g.ints(last)], { keepdims: 1 }),
    L1: () => g.sum(g.abs(x), last, true),
    L2: () => g.sqrt(g.sum(g.square(x), last, true)),
  };
  const size = entryOf(measure, norm)?.() ?? noExpansion(node, `its norm is ${norm}`);
  return g.div(x, g.where(g.equal(size, 0), 1, size));
}

export const classical = {
  // columns by number; a single row counts as a matrix
  "ai.onnx.ml.ArrayFeatureExtractor": ({ g, x: [x, columns] }) => {
    const rows = rankOf(x) === 1 ? g.unsqueeze(x, [0]) : x;
    return g.op("Gather", [rows, g.reshape(columns, [-1])], { axis: rankOf(rows) - 1 });
  },
  "ai.onnx.ml.Binarizer": ({ g, x: [x], attrs: { threshold } }) => g.cast(g.greater(x, threshold), x),
  "ai.onnx.ml.Normalizer": normalized,
  "ai.onnx.ml.Scaler": ({ g, x: [x], attrs: { offset, scale } }) => {
    const numbers = g.cast(x, "float32");
    const moved = offset.length > 0 ? g.sub(numbers, g.constant(offset)) : numbers;
    return scale.length > 0 ? g.mul(moved, g.constant(scale)) : moved;
  },
} as const satisfies Expansions;
