import { expect, test } from "vitest";
import { GraphBuilder } from "../graph/builder.ts";
import { Graph } from "../graph/ir.ts";
import { interpret } from "../graph/kernels/interpret.ts";
import { ndArray } from "../graph/kernels/nd-array.ts";
import { lowerNode } from "./lowerings.ts";

test.each(["SoftmaxCrossEntropyLoss", "NegativeLogLikelihoodLoss"] as const)(
  "%s of scores that rule classes out is the same in other operators",
  (op) => {
    const graph = new Graph("loss");
    const scores = graph.addInput("scores", "float32", [2, 3]);
    const labels = graph.addInput("labels", "int64", [2]);
    graph.addOutput(new GraphBuilder(graph).op(op, [scores, labels], { ignore_index: -100 }, ["loss"]));
    const feeds = new Map([
      ["scores", ndArray("float32", [2, 3], [-1, Number.NEGATIVE_INFINITY, -0.5, -2, -3, -4])],
      ["labels", ndArray("int64", [2], [2, -100])],
    ]);
    const before = interpret(graph, feeds).get("loss")!.data[0]!;
    expect(lowerNode(graph, graph.nodes[0]!)).toBe(true);
    expect(Number.isFinite(before)).toBe(true);
    expect(interpret(graph, feeds).get("loss")!.data[0]).toBeCloseTo(before, 12);
  },
);
