import { describe, expect, test } from "vitest";
import { scan } from "../builder/scan.ts";
import { GraphBuilder } from "../builder.ts";
import type { Dim } from "../dim.ts";
import { Graph, type Value } from "../ir.ts";

function started(shapes: { readonly [name: string]: readonly Dim[] }): [GraphBuilder, ...Value[]] {
  const graph = new Graph("outer");
  const inputs = Object.entries(shapes).map(([name, shape]) => graph.addInput(name, "float32", shape));
  return [new GraphBuilder(graph), ...inputs];
}

describe("shapes of operators with bodies", () => {
  test("a Scan puts its steps in front, and symbols of its own do not leave it", () => {
    const [g, state, rows] = started({ state: ["batch", 4], rows: ["tokens", "batch", 4] });
    const { states, outputs } = scan(g, [state!], [rows!], (b, [before], [row]) => {
      const next = b.add(before!, row!);
      const some = b.op("NonZero", [next]);
      return { states: [next], outputs: [b.mul(next, 2), some] };
    });
    expect(states[0]!.shape).toEqual(["batch", 4]);
    expect(outputs[0]!.shape).toEqual(["tokens", "batch", 4]);
    expect(outputs[1]!.dtype).toBe("int64");
    expect(outputs[1]!.shape!.slice(0, 2)).toEqual(["tokens", 2]);
    expect(outputs[1]!.shape![2]).toBe(`${outputs[1]!.name}.2`);
  });

  const loopOf = (grows: boolean): readonly (readonly Dim[] | undefined)[] => {
    const [g, state] = started({ state: [2, "width"] });
    const body = new Graph("body", undefined, g.graph);
    const [, condition, before] = ["turn", "on", "before"].map((name) => body.addInput(name));
    const b = new GraphBuilder(body);
    before!.dtype = "float32";
    const after = b.node("Concat", grows ? [before, before] : [before], { axis: 0 }).outputs[0]!;
    for (const value of [condition!, after, b.op("Neg", [before])]) body.addOutput(value);
    const limit = g.constant([5], "int64", []);
    return g
      .node("Loop", [limit, undefined, state], { body }, ["last", "rows"])
      .outputs.map((output) => output!.shape);
  };
  test("a Loop with a fixed number of turns stacks as many", () =>
    expect(loopOf(false)).toEqual([
      [2, "width"],
      [5, 2, "width"],
    ]));
  test("what a turn makes larger is of unknown size", () =>
    expect(loopOf(true)).toEqual([
      ["last.0", "width"],
      [5, "rows.1", "width"],
    ]));

  test("an If has the sizes on which its branches agree", () => {
    const [g, x, condition] = started({ x: ["batch", 3], condition: [] });
    const branch = (name: string, make: (b: GraphBuilder) => Value) => {
      const body = new Graph(name, undefined, g.graph);
      body.addOutput(make(new GraphBuilder(body)));
      return body;
    };
    const y = g.op("If", [g.cast(condition!, "bool")], {
      then_branch: branch("then", (b) => b.op("Neg", [x])),
      else_branch: branch("else", (b) => b.slice(x!, [1], [0], [2])),
    });
    expect(y.shape).toEqual(["batch", `${y.name}.1`]);
  });

  test.each([
    [4, 4],
    [5, 3],
  ])("an If whose condition follows from a size of %i has the sizes of the branch taken", (width, size) => {
    const [g, x] = started({ x: ["batch", width] });
    const branch = (name: string, make: (b: GraphBuilder) => Value) => {
      const body = new Graph(name, undefined, g.graph);
      body.addOutput(make(new GraphBuilder(body)));
      return body;
    };
    const isFour = g.op("Equal", [g.sizeOf(x!, 1), g.ints([4])]);
    const y = g.op("If", [isFour], {
      then_branch: branch("then", (b) => b.op("Neg", [x])),
      else_branch: branch("else", (b) => b.slice(x!, [1], [0], [3])),
    });
    expect(y.shape).toEqual(["batch", size]);
  });
});
