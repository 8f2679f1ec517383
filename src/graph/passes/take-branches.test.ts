import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../builder.ts";
import { inferShapes } from "../infer.ts";
import { Graph, type Value } from "../ir.ts";
import { interpret } from "../kernels/interpret.ts";
import { float32, int64, tensorOf } from "../tensor.ts";
import { takeBranches } from "./take-branches.ts";

/** y = x · w by one branch, x + w by the other, with a w in each; `condition` is made in the graph around them. */
function branching(condition: (g: GraphBuilder, x: Value) => Value, outputName = "y"): Graph {
  const graph = new Graph("outer");
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", "float32", ["batch"]);
  const yes = condition(g, x);
  const branch = (op: "Mul" | "Add", factor: number) => {
    const body = new Graph(op, graph.opsets, graph);
    const w = body.addInitializer("w", float32([1], [factor]));
    const inner = body.addNode(op, [x, w], { outputs: ["result"] }).outputs[0]!;
    body.addOutput(inner);
    return body;
  };
  const node = graph.addNode("If", [yes], {
    outputs: [outputName],
    attributes: [
      ["then_branch", { type: "graph", value: branch("Mul", 3) }],
      ["else_branch", { type: "graph", value: branch("Add", 10) }],
    ],
  });
  Object.assign(node.outputs[0]!, { dtype: "float32", shape: ["batch"] });
  graph.addOutput(g.op("Neg", [node.outputs[0]!], {}, ["negated"]));
  graph.addOutput(node.outputs[0]!);
  return graph;
}

const run = (graph: Graph) => {
  const x = { dtype: "float32", dims: [2], data: Float64Array.of(1, 2) } as const;
  const values = interpret(graph, new Map([["x", x]]));
  return [...values].map(([name, { data }]) => [name, ...data]);
};

describe("an If whose condition is constant", () => {
  test.each([
    [true, ["negated", -3, -6], ["y", 3, 6]],
    [false, ["negated", -11, -12], ["y", 11, 12]],
  ])("%s: its branch takes its place, under the output's name", (value, ...wanted) => {
    const graph = branching((g) => g.tensor(tensorOf("bool", [], Uint8Array.of(Number(value))), "yes"));
    expect(takeBranches(graph)).toBe(1);
    expect(graph.nodes.map(({ op }) => op)).not.toContain("If");
    expect(run(graph)).toEqual(wanted);
    expect(graph.find("w")?.constant?.dims).toEqual([1]);
    expect(run(graph.clone())).toEqual(wanted);
  });
  test("the condition may follow from constants; names that are taken change", () => {
    const graph = branching((g) => {
      g.graph.addInitializer("w", float32([2], [0, 0]));
      return g.equal(g.tensor(int64([], [16000]), "rate"), 16000);
    });
    graph.addOutput(graph.get("w"));
    expect(takeBranches(graph)).toBe(1);
    expect(run(graph)[1]).toEqual(["y", 3, 6]);
    expect(graph.get("w").constant!.dims).toEqual([2]);
    expect(graph.get("w_1").constant!.dims).toEqual([1]);
  });
  test("a branch for another rank, which contradicts the shapes at hand, is no mistake", () => {
    const graph = new Graph("ranks");
    const g = new GraphBuilder(graph);
    const x = graph.addInput("x", "float32", ["batch", 3]);
    const isMatrix = g.equal(g.op("Size", [g.op("Shape", [x])]), 2);
    const branch = (op: string, axes: readonly number[]) => {
      const body = new Graph(op, graph.opsets, graph);
      const list = body.addInitializer("axes", int64([axes.length], axes));
      body.addOutput(body.addNode(op, [x, list], { outputs: ["result"] }).outputs[0]!);
      return body;
    };
    const node = graph.addNode("If", [isMatrix], {
      outputs: ["y"],
      attributes: [
        ["then_branch", { type: "graph", value: branch("Unsqueeze", [0]) }],
        ["else_branch", { type: "graph", value: branch("Squeeze", [1]) }],
      ],
    });
    graph.addOutput(node.outputs[0]!);
    expect(() => inferShapes(graph)).not.toThrow();
    expect(takeBranches(graph)).toBe(1);
    expect(graph.get("y").shape).toEqual([1, "batch", 3]);
  });
  test("one that depends on the data stays", () => {
    const graph = branching((g, x) => g.op("Cast", [g.op("ReduceSum", [x], { keepdims: 0 })], { to: 9 }));
    expect(takeBranches(graph)).toBe(0);
    expect(graph.nodes.map(({ op }) => op)).toContain("If");
  });
});
