import { describe, expect, test } from "vitest";
import { differentiate } from "../../autodiff/differentiate.ts";
import { Graph, type Value } from "../ir.ts";
import { interpret } from "../kernels/interpret.ts";
import { ndArray } from "../kernels/nd-array.ts";
import { int64 } from "../tensor.ts";
import { cleanUp } from "./clean-up.ts";

type Ints = { readonly [key: string]: number };

/** Builds a graph over x: [4, 3], in which `add` appends operators and `at` gives positions. */
function folded(
  make: (
    add: (op: string, inputs: readonly (Value | undefined)[], attributes?: Ints) => Value,
    x: Value,
    at: (...values: readonly number[]) => Value,
    graph: Graph,
  ) => Value,
): Graph {
  const graph = new Graph("sequences");
  const x = graph.addInput("x", "float32", [4, 3]);
  const y = make(
    (op, inputs, attributes = {}) =>
      graph.addNode(op, inputs, {
        attributes: Object.entries(attributes).map(([key, value]) => [key, { type: "int", value }] as const),
      }).outputs[0]!,
    x,
    (...values) =>
      graph.addInitializer(graph.freshName("at"), int64(values.length === 1 ? [] : [values.length], values)),
    graph,
  );
  graph.rename(y, "y");
  graph.addOutput(y);
  cleanUp(graph);
  return graph;
}

const x = ndArray(
  "float32",
  [4, 3],
  Float64Array.from({ length: 12 }, (_, i) => i),
);
const rowsOf = (graph: Graph): readonly number[] => [...interpret(graph, new Map([["x", x]])).get("y")!.data];

describe("sequences whose elements are known become tensors", () => {
  test("an element of a split, from the end", () => {
    const graph = folded((add, value, at) => add("SequenceAt", [add("SplitToSequence", [value]), at(-1)]));
    expect(graph.get("y").shape).toEqual([1, 3]);
    expect(rowsOf(graph)).toEqual([9, 10, 11]);
  });
  test("an optional is what it was made of, and is known to hold it", () => {
    const graph = folded((add, value) => {
      const maybe = add("Optional", [value]);
      const isThere = add("Cast", [add("OptionalHasElement", [maybe])], { to: 1 });
      return add("Mul", [add("OptionalGetElement", [maybe]), isThere]);
    });
    expect(graph.nodes.map(({ op }) => op)).not.toContain("OptionalGetElement");
    expect(rowsOf(graph)).toEqual([...x.data]);
  });
  test("an optional of a sequence is the sequence", () => {
    const graph = folded((add, value, at) => {
      const maybe = add("Optional", [add("SplitToSequence", [value])]);
      return add("SequenceAt", [add("OptionalGetElement", [maybe]), at(1)]);
    });
    expect(rowsOf(graph)).toEqual([3, 4, 5]);
  });
  test("what is no optional may be read as one", () => {
    const graph = folded((add, value) => add("OptionalGetElement", [value]));
    expect(rowsOf(graph)).toEqual([...x.data]);
  });
  test("without the axis it was split along", () => {
    const graph = folded((add, value, at) =>
      add("SequenceAt", [add("SplitToSequence", [value], { axis: 1, keepdims: 0 }), at(1)]),
    );
    expect(graph.get("y").shape).toEqual([4]);
    expect(rowsOf(graph)).toEqual([1, 4, 7, 10]);
  });
  test("parts of given sizes, the last one smaller", () => {
    const part = (sizes: readonly number[], which: number) =>
      rowsOf(
        folded((add, value, at) =>
          add("SequenceAt", [add("SplitToSequence", [value, at(...sizes)]), at(which)]),
        ),
      );
    expect(part([3], 1)).toEqual([9, 10, 11]);
    expect(part([1, 3], 1)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });
  test("put together again in another order", () => {
    const graph = folded((add, value, at) => {
      const rows = add("SplitToSequence", [value, at(2)]);
      const turned = add("SequenceInsert", [
        add("SequenceErase", [rows, at(0)]),
        add("Neg", [add("SequenceAt", [rows, at(0)])]),
      ]);
      return add("ConcatFromSequence", [turned], { axis: 0 });
    });
    expect(rowsOf(graph)).toEqual([6, 7, 8, 9, 10, 11, -0, -1, -2, -3, -4, -5]);
    expect(graph.nodes.some(({ op }) => op.includes("Sequence"))).toBe(false);
  });
  test("stacked along a new axis, with a gradient", () => {
    const graph = folded((add, value) => {
      const pair = add("SequenceConstruct", [value, add("Exp", [value])]);
      const stacked = add("ConcatFromSequence", [pair], { axis: -1, new_axis: 1 });
      return add("ReduceSum", [stacked], { keepdims: 0 });
    });
    const backward = differentiate(graph, { loss: "y", parameters: ["x"] });
    const gradient = interpret(backward.graph, new Map([["x", x]])).get("x.grad")!;
    for (const [i, value] of x.data.entries()) expect(gradient.data[i]).toBeCloseTo(1 + Math.exp(value), 9);
  });
  describe("a list that a Loop fills", () => {
    /** Row i of x, times i, is appended in turn i; `reader` reads the list, which begins with the first row where it `begins`. */
    const listed = (reader: string, attributes: Ints, positions: readonly number[] = [], begins = false) =>
      folded((add, value, at, outer) => {
        const body = new Graph("body", undefined, outer);
        const [turn, goes, list] = [
          body.addInput("turn", "int64", []),
          body.addInput("goes", "bool", []),
          body.addInput("list"),
        ];
        const op = (name: string, inputs: readonly Value[], output: string, ints: Ints = {}) =>
          body.addNode(name, inputs, {
            outputs: [output],
            attributes: Object.entries(ints).map(([key, n]) => [key, { type: "int", value: n }] as const),
          }).outputs[0]!;
        const row = op("Gather", [value, turn], "row");
        const scaled = op("Mul", [row, op("Cast", [turn], "real", { to: 1 })], "scaled");
        body.addOutput(op("Identity", [goes], "on"));
        body.addOutput(op("SequenceInsert", [list, scaled], "longer"));
        const start = begins
          ? add("SequenceConstruct", [add("Gather", [value, at(0)])])
          : add("SequenceEmpty", []);
        const loop = outer.addNode("Loop", [at(4), undefined, start], {
          attributes: [["body", { type: "graph", value: body }]],
          outputs: ["all"],
        });
        return add(reader, [loop.outputs[0], ...positions.map((position) => at(position))], attributes);
      });
    test("is stacked along a new axis", () => {
      const graph = listed("ConcatFromSequence", { axis: 1, new_axis: 1 });
      expect(rowsOf(graph)).toEqual([0, 3, 12, 27, 0, 4, 14, 30, 0, 5, 16, 33]);
    });
    test("is put together along its own", () =>
      expect(rowsOf(listed("ConcatFromSequence", { axis: 0 }))).toEqual([
        0, 0, 0, 3, 4, 5, 12, 14, 16, 27, 30, 33,
      ]));
    test("is read at a place", () => expect(rowsOf(listed("SequenceAt", {}, [-2]))).toEqual([12, 14, 16]));
    test("may begin with tensors of the same shape", () => {
      const graph = listed("ConcatFromSequence", { axis: 0, new_axis: 1 }, [], true);
      expect(rowsOf(graph)).toEqual([0, 1, 2, 0, 0, 0, 3, 4, 5, 12, 14, 16, 27, 30, 33]);
    });
    test("has a length", () => expect(rowsOf(listed("SequenceLength", {}))).toEqual([4]));
  });
  test("a list that is an output of the graph stays one", () => {
    const graph = folded((add, _, at, outer) => {
      const body = new Graph("body", outer.opsets, outer);
      const turn = body.addInput("turn", "int64", []);
      const goes = body.addInput("goes", "bool", []);
      const list = body.addInput("list");
      body.addOutput(body.addNode("Identity", [goes], { outputs: ["on"] }).outputs[0]!);
      body.addOutput(body.addNode("SequenceInsert", [list, turn], { outputs: ["longer"] }).outputs[0]!);
      const loop = outer.addNode("Loop", [at(4), undefined, add("SequenceEmpty", [])], {
        attributes: [["body", { type: "graph", value: body }]],
        outputs: ["all"],
      });
      outer.addOutput(loop.outputs[0]!);
      return add("SequenceLength", [loop.outputs[0]]);
    });
    expect(graph.nodes.map(({ op }) => op)).toEqual(["SequenceEmpty", "Loop", "SequenceLength"]);
  });
  test.each([0, -1])("what is split into parts of %i elements stays", (size) => {
    const graph = folded((add, value, at) =>
      add("SequenceAt", [add("SplitToSequence", [value, at(size)]), at(0)]),
    );
    expect(graph.nodes.map(({ op }) => op)).toEqual(["SplitToSequence", "SequenceAt"]);
  });
  test("what is split into parts beyond number stays", () => {
    const graph = folded((add, _, at, outer) => {
      const long = outer.addInput("long", "float32", [2 ** 40]);
      return add("SequenceAt", [add("SplitToSequence", [long, at(2)]), at(0)]);
    });
    expect(graph.nodes.map(({ op }) => op)).toEqual(["SplitToSequence", "SequenceAt"]);
  });
  /** The place of the largest of all elements, counted from the end: −1. */
  const place = (
    add: (op: string, inputs: readonly (Value | undefined)[], attributes?: Ints) => Value,
    x: Value,
  ) =>
    add("Sub", [
      add("ArgMax", [add("Flatten", [x], { axis: 0 })], { axis: 1, keepdims: 0 }),
      add("Size", [x]),
    ]);
  test("a position that only the run knows is one of rows", () => {
    const split = folded((add, value) =>
      add("SequenceAt", [add("SplitToSequence", [value]), place(add, value)]),
    );
    expect(rowsOf(split)).toEqual([9, 10, 11]);
    const listed = folded((add, value) => {
      const list = add("SequenceConstruct", [value, add("Neg", [value])]);
      return add("SequenceAt", [list, place(add, value)]);
    });
    expect(rowsOf(listed)).toEqual([...x.data].map((value) => -value));
  });
  test("what is erased at such a position stays, and its number has no gradient", () => {
    const graph = folded((add, value) => {
      const list = add("SequenceConstruct", [value, add("Exp", [value]), value]);
      const fewer = add("SequenceErase", [list, place(add, value)]);
      const count = add("Cast", [add("SequenceLength", [fewer])], { to: 1 });
      return add("ReduceSum", [add("Mul", [value, count])], { keepdims: 0 });
    });
    expect(graph.nodes.map(({ op }) => op)).toContain("SequenceErase");
    expect(differentiate(graph, { loss: "y", parameters: ["x"] }).gradients.size).toBe(1);
    const read = folded((add, value) => {
      const fewer = add("SequenceErase", [add("SequenceConstruct", [value, value]), place(add, value)]);
      return add("ReduceSum", [add("ConcatFromSequence", [fewer], { axis: 0 })], { keepdims: 0 });
    });
    Object.assign(read.get("y"), { dtype: "float32", shape: [] });
    expect(() => differentiate(read, { loss: "y", parameters: ["x"] })).toThrow(
      /ConcatFromSequence has no gradient.* known to the run alone/,
    );
  });
  test("all slices of an axis of unknown size are the array", () => {
    const graph = new Graph("open");
    const rows = graph.addInput("x", "float32", ["n", 3]);
    const axis = [["keepdims", { type: "int", value: 0 }]] as const;
    const list = graph.addNode("SplitToSequence", [rows], { attributes: axis }).outputs[0]!;
    const last = graph.addInitializer("last", int64([], [-1]));
    const stack = [
      ["new_axis", { type: "int", value: 1 }],
      ["axis", { type: "int", value: 0 }],
    ] as const;
    graph.addOutput(
      graph.addNode("ConcatFromSequence", [list], { attributes: stack, outputs: ["all"] }).outputs[0]!,
    );
    graph.addOutput(graph.addNode("SequenceAt", [list, last], { outputs: ["end"] }).outputs[0]!);
    graph.addOutput(graph.addNode("SequenceLength", [list], { outputs: ["count"] }).outputs[0]!);
    cleanUp(graph);
    const made = interpret(graph, new Map([["x", x]]));
    expect([...made.values()].map(({ data }) => [...data])).toEqual([[...x.data], [9, 10, 11], [4]]);
  });
  test("each element through the body of a SequenceMap, beside another list and a value from outside", () => {
    const graph = folded((add, value, at, outer) => {
      const body = new Graph("each", undefined, outer);
      const [one, other] = [body.addInput("one"), body.addInput("other")];
      const product = body.addNode("Mul", [one, other], { outputs: ["product"] }).outputs[0]!;
      const outside = add("ReduceMax", [value], { keepdims: 0 });
      body.addOutput(body.addNode("Add", [product, outside], { outputs: ["made"] }).outputs[0]!);
      const lists = [
        add("SplitToSequence", [value, at(2)]),
        add("SplitToSequence", [add("Neg", [value]), at(2)]),
      ];
      const halves = outer.addNode("SequenceMap", lists, {
        attributes: [["body", { type: "graph", value: body }]],
        outputs: ["halves"],
      });
      return add("ConcatFromSequence", [halves.outputs[0]], { axis: 0 });
    });
    expect(graph.nodes.map(({ op }) => op)).not.toContain("SequenceMap");
    expect(rowsOf(graph)).toEqual([...x.data].map((value) => 11 - value * value));
  });
  test("a list from outside is read in a body, at its turn", () => {
    const graph = folded((add, value, at, outer) => {
      const list = add("SequenceConstruct", [value, add("Neg", [value])]);
      const body = new Graph("body", undefined, outer);
      const [turn, goes, state] = [
        body.addInput("turn", "int64", []),
        body.addInput("goes", "bool", []),
        body.addInput("state", "float32", [4, 3]),
      ];
      body.addOutput(body.addNode("Identity", [goes], { outputs: ["on"] }).outputs[0]!);
      const read = body.addNode("SequenceAt", [list, turn], { outputs: ["read"] }).outputs[0]!;
      const scaled = body.addNode("Mul", [state, read], { outputs: ["scaled"] }).outputs[0]!;
      body.addOutput(scaled);
      const loop = outer.addNode("Loop", [at(2), undefined, value], {
        attributes: [["body", { type: "graph", value: body }]],
        outputs: ["cubes"],
      });
      return add("ReduceSum", [loop.outputs[0]], { keepdims: 0 });
    });
    expect(rowsOf(graph)).toEqual([-x.data.reduce((sum, value) => sum + value ** 3, 0)]);
    const backward = differentiate(graph, { loss: "y", parameters: ["x"] });
    const gradient = interpret(backward.graph, new Map([["x", x]])).get("x.grad")!;
    for (const [i, value] of x.data.entries()) expect(gradient.data[i]).toBeCloseTo(-3 * value ** 2, 9);
  });
});
