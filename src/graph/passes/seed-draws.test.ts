import { expect, test } from "vitest";
import { Graph, type Node } from "../ir.ts";
import { seedDraws } from "./seed-draws.ts";

test("nodes that draw get seeds of their own, which follow the run's; a seed that is there stays", () => {
  const seeds = (seed: number) => {
    const graph = new Graph("noise");
    const x = graph.addInput("x", "float32", ["batch", 2]);
    const draw = (name: string, attributes: [string, { type: "float"; value: number }][] = []): Node =>
      graph.addNode("RandomNormalLike", [x], { outputs: [name], attributes });
    const nodes = [draw("a"), draw("b"), draw("c", [["seed", { type: "float", value: 3 }]])];
    const ops = seedDraws(graph, seed);
    return { ops, values: nodes.map((node) => (node.attributes.get("seed") as { value: number }).value) };
  };
  const { ops, values } = seeds(1);
  expect(ops).toEqual(["RandomNormalLike"]);
  expect(new Set(values).size).toBe(3);
  expect(values[2]).toBe(3);
  expect(seeds(1).values).toEqual(values);
  expect(seeds(2).values[0]).not.toBe(values[0]);
  expect(values.every((value) => Math.fround(value) === value)).toBe(true);
});
