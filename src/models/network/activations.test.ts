import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { GraphBuilder } from "../../graph/builder.ts";
import { Graph } from "../../graph/ir.ts";
import { interpret } from "../../graph/kernels/interpret.ts";
import { float32 } from "../../graph/tensor.ts";
import { activate, activationName } from "./activations.ts";

interface Reference {
  readonly x: readonly number[];
  readonly y: Readonly<Record<string, readonly number[]>>;
}

const file = new URL("../../../tests/fixtures/activations.json", import.meta.url);
const { x, y } = JSON.parse(readFileSync(file, "utf8")) as Reference;

test("every activation has a reference", () => {
  expect(Object.keys(y).sort()).toEqual([...activationName.options].sort());
});

test.each(activationName.options)("%s is transformers'", (name) => {
  const graph = new Graph("activation", [
    ["", 21],
    ["com.microsoft", 1],
  ]);
  const g = new GraphBuilder(graph);
  // "linear" gives its input itself
  const given = g.op("Identity", [graph.addInitializer("x", float32([x.length], x))]);
  graph.addOutput(activate(g, name, given));
  const [found] = [...interpret(graph, new Map()).values()];
  for (const [i, expected] of y[name]!.entries())
    expect(Math.abs(Number(found!.data[i]) - expected), `${name} of ${x[i]}`).toBeLessThan(1e-6);
});
