import { expect, test } from "vitest";
import { GraphBuilder } from "../graph/builder.ts";
import { Graph } from "../graph/ir.ts";
import { float32, inMemory } from "../graph/tensor.ts";
import { baseHash } from "./base-hash.node.ts";

test("a large weight is hashed in pieces, as if it were whole", () => {
  const length = 40_000_000;
  const sizes: number[] = [];
  const whole = inMemory(Uint8Array.from({ length }, (_, i) => i % 251));
  const pieces = {
    length,
    read: () => {
      throw new Error("all of it is asked for at once");
    },
    readInto(target: Uint8Array, from: number) {
      sizes.push(target.length);
      for (let i = 0; i < target.length; i++) target[i] = (from + i) % 251;
    },
  };
  const hashOf = (data: typeof whole) => {
    const graph = new Graph("large");
    graph.addInitializer("w", { dtype: "uint8", dims: [length], data });
    return baseHash(graph);
  };
  expect(hashOf(pieces)).toBe(hashOf(whole));
  expect(sizes.length).toBeGreaterThan(2);
  expect(sizes.reduce((a, b) => a + b, 0)).toBe(length);
});

test.each([
  ["nothing", {}, true],
  ["a weight", { weight: 2.5 }, false],
  ["an attribute", { attributes: { alpha: 2, transB: 0 } }, false],
  ["the output", { output: "doubled" }, false],
])("two graphs that differ in %s", (_, change, same) => {
  const hashOf = ({ weight = 2, attributes = { alpha: 1, transB: 0 }, output = "product" }) => {
    const graph = new Graph("small");
    const x = graph.addInput("x", "float32", ["batch", 1]);
    const w = graph.addInitializer("w", float32([1, 1], [weight]));
    const g = new GraphBuilder(graph);
    const [product] = g.node("Gemm", [x, w], attributes, ["product"]).outputs;
    g.node("Add", [product!, product!], {}, ["doubled"]);
    graph.addOutput(graph.get(output));
    return baseHash(graph);
  };
  expect(hashOf(change) === hashOf({})).toBe(same);
});
