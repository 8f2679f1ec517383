import { expect, test } from "vitest";
import { GraphBuilder } from "../builder.ts";
import { bodiesOf, Graph } from "../ir.ts";
import { interpret } from "../kernels/interpret.ts";
import { print } from "../print.ts";
import { float32 } from "../tensor.ts";
import { hoistWeights } from "./hoist-weights.ts";

/** y = x > 0 ? 5, a constant that the branch gives as it is, : x · 3. */
function branching(): Graph {
  const graph = new Graph("outer");
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", "float32", [1]);
  const given = new Graph("given", graph.opsets, graph);
  given.addOutput(given.addInitializer("five", float32([1], [5])));
  const made = new Graph("made", graph.opsets, graph);
  const w = made.addInitializer("w", float32([1], [3]));
  made.addOutput(made.addNode("Mul", [x, w], { outputs: ["scaled"] }).outputs[0]!);
  const isAbove = g.op("Greater", [x, g.constant([0], "float32", [1])]);
  const node = graph.addNode("If", [isAbove], {
    outputs: ["y"],
    attributes: [
      ["then_branch", { type: "graph", value: given }],
      ["else_branch", { type: "graph", value: made }],
    ],
  });
  graph.addOutput(Object.assign(node.outputs[0]!, { dtype: "float32", shape: [1] }));
  return graph;
}

const run = (graph: Graph, x: number) =>
  [...interpret(graph, new Map([["x", { dtype: "float32", dims: [1], data: Float64Array.of(x) }]]))].map(
    ([, { data }]) => data[0],
  );

test("constants of bodies become the graph's; a body that gives one gives a copy made inside of it", () => {
  const graph = branching();
  hoistWeights(graph);
  expect([...graph.initializers].map(({ name }) => name)).toEqual(expect.arrayContaining(["five", "w"]));
  const bodies = graph.nodes.flatMap(bodiesOf);
  for (const body of bodies) {
    expect([...body.initializers]).toEqual([]);
    for (const output of body.outputs) expect(body.nodes).toContain(output.producer);
  }
  expect([run(graph, 2), run(graph, -2)]).toEqual([[5], [-6]]);
  expect(print(graph)).toContain("Identity");
});
