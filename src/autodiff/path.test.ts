import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../graph/builder.ts";
import { inferShapes } from "../graph/infer.ts";
import { Graph, type Value } from "../graph/ir.ts";
import { float32 } from "../graph/tensor.ts";
import { parametersInSteps } from "./path.ts";

/** What of w and v the sum of x·w and of something made of v depends on in steps alone. */
function inSteps(make: (g: GraphBuilder, x: Value, v: Value) => Value): readonly string[] {
  const graph = new Graph("steps");
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", "float32", [2, 3]);
  const [w, v] = ["w", "v"].map((name) => graph.addInitializer(name, float32([3], [0.5, -1, 2])));
  const loss = g.sum(g.add(g.mul(x, w!), make(g, x, v!)), [0, 1]);
  graph.rename(loss, "loss");
  graph.addOutput(loss);
  inferShapes(graph);
  const before = graph.nodes.length;
  const found = parametersInSteps(graph, "loss", ["w", "v"]);
  expect(graph.nodes).toHaveLength(before);
  return found;
}

describe("parametersInSteps", () => {
  test("what is multiplied has a gradient", () => {
    expect(inSteps((g, x, v) => g.mul(x, v))).toEqual([]);
  });

  test.each<readonly [string, (g: GraphBuilder, x: Value, v: Value) => Value]>([
    ["compared", (g, x, v) => g.cast(g.op("Greater", [x, v]), "float32")],
    ["counted", (g, x, v) => g.cast(g.op("ArgMax", [g.add(x, v)], { axis: 1 }), "float32")],
    ["cut to whole numbers", (g, x, v) => g.cast(g.cast(g.mul(x, v), "int64"), "float32")],
  ])("what is only %s has none", (_, make) => {
    expect(inSteps(make)).toEqual(["v"]);
  });

  test("a parameter that also counts smoothly has a gradient", () => {
    expect(inSteps((g, x, v) => g.mul(g.cast(g.op("Greater", [x, v]), "float32"), v))).toEqual([]);
  });

  test("a composite operator is looked into", () => {
    expect(inSteps((g, x, v) => g.op("Gelu", [g.cast(g.op("Greater", [x, v]), "float32")]))).toEqual(["v"]);
    expect(inSteps((g, x, v) => g.op("Gelu", [g.mul(x, v)]))).toEqual([]);
  });

  test("an operator without a rule is left to what differentiates", () => {
    const strange = (g: GraphBuilder, x: Value, v: Value) => {
      const [y] = g.graph.addNode("Oddity", [x, v], { domain: "example" }).outputs;
      return Object.assign(y!, { dtype: "float32", shape: [2, 3] });
    };
    expect(inSteps(strange)).toEqual([]);
  });
});
