import { expect, test } from "vitest";
import { Graph } from "../graph/ir.ts";
import type { DataType } from "../graph/tensor.ts";
import { assumedSizes, dimAt } from "./sizes.ts";

test("sizes are expressions over symbols", () => {
  const symbols = new Map([["batch", 4]]);
  expect(dimAt("2*batch*(batch+1)", symbols)).toBe(40);
  expect(dimAt("(batch+3)/2-1", symbols)).toBe(2);
  expect(dimAt("batch*tokens", symbols)).toBe(4);
});

function assumed(
  inputs: readonly [DataType, (string | number)[]][],
  usualSizes?: ReadonlyMap<string, number>,
) {
  const graph = new Graph("open sizes");
  const [input] = inputs.map(([dtype, shape], i) => graph.addInput(`x${i}`, dtype, shape));
  return Object.fromEntries(assumedSizes({ graph, input: input!, ...(usualSizes && { usualSizes }) }));
}

test("sizes that a graph leaves open are those of a usual image or text, or what is known of the data", () => {
  expect(assumed([["float32", ["batch", 3, "height", "width"]]])).toEqual({ height: 224, width: 224 });
  const texts = [
    ["int64", ["batch", "tokens"]],
    ["float32", ["batch", 4, "past", 16]],
  ] as const;
  expect(assumed(texts.map(([dtype, shape]) => [dtype, [...shape]]))).toEqual({ tokens: 128, past: 1 });
  expect(assumed([["int64", ["batch", "tokens"]]], new Map([["tokens", 40]]))).toEqual({ tokens: 40 });
  expect(assumed([["float32", ["batch", 3, 32, 32]]])).toEqual({});
});
