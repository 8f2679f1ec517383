import { describe, expect, test } from "vitest";
import { DiapasonError } from "../../base/errors.ts";
import { Graph } from "../ir.ts";
import { type DataType, float32, int64, tensorOf } from "../tensor.ts";
import { fromNdArray, interpret, type NdArray, runNode, toNdArray } from "./interpret.ts";

const array = (dims: readonly number[], ...data: number[]): NdArray => ({
  dtype: "float32",
  dims,
  data: Float64Array.from(data),
});

/** y = relu(x) + bias, with the bias an initializer. */
function small(): Graph {
  const graph = new Graph("small");
  const x = graph.addInput("x", "float32", ["n"]);
  const bias = graph.addInitializer("bias", float32([1], [0.5]));
  const [positive] = graph.addNode("Relu", [x], { outputs: ["positive"] }).outputs;
  const [y] = graph.addNode("Add", [positive, bias], { outputs: ["y"] }).outputs;
  graph.addOutput(y!);
  return graph;
}

const codeOf = (run: () => unknown): string | undefined => {
  try {
    run();
  } catch (error) {
    return error instanceof DiapasonError ? error.code : String(error);
  }
  return undefined;
};

describe("interpret", () => {
  const feeds = new Map([["x", array([2], -1, 2)]]);

  test("gives the outputs", () =>
    expect(interpret(small(), feeds)).toEqual(new Map([["y", array([2], 0.5, 2.5)]])));
  test("gives every value when asked", () =>
    expect([...interpret(small(), feeds, { keepAll: true }).keys()]).toEqual(["x", "bias", "positive", "y"]));
  test("a feed takes the place of an initializer", () =>
    expect(interpret(small(), new Map([...feeds, ["bias", array([1], 3)]])).get("y")!.data).toEqual(
      Float64Array.of(3, 5),
    ));
  test("names a missing feed", () => {
    expect(() => interpret(small(), new Map())).toThrow('needs an array for its input "x"');
    expect(codeOf(() => interpret(small(), new Map()))).toBe("graph/missing-feed");
  });
  test("a Softmax of what a mask hides all of is even", () => {
    const graph = new Graph("hidden");
    const x = graph.addInput("x", "float32", [4]);
    graph.addOutput(graph.addNode("Softmax", [x]).outputs[0]!);
    const [y] = [
      ...interpret(graph, new Map([["x", array([4], ...new Array<number>(4).fill(-3.4e38))]])).values(),
    ];
    expect([...y!.data]).toEqual([0.25, 0.25, 0.25, 0.25]);
  });
  test("keeps float64 through casts to narrower floats", () => {
    const graph = new Graph("cast");
    const to16 = [["to", { type: "int", value: 10 }]] as const;
    graph.addOutput(
      graph.addNode("Cast", [graph.addInput("x", "float64")], { attributes: to16 }).outputs[0]!,
    );
    const [y] = [...interpret(graph, new Map([["x", array([1], 1 + 1e-9)]])).values()];
    expect([y!.dtype, y!.data[0]]).toEqual(["float16", 1 + 1e-9]);
  });
  test("If runs the branch its condition chooses, with values from outside", () => {
    const graph = new Graph("choice");
    const [condition, x] = [graph.addInput("condition", "bool"), graph.addInput("x", "float32")];
    const branch = (op: string) => {
      const body = new Graph(op, undefined, graph);
      body.addOutput(body.addNode(op, [x], { outputs: [`by${op}`] }).outputs[0]!);
      return { type: "graph", value: body } as const;
    };
    const attributes = [
      ["then_branch", branch("Relu")],
      ["else_branch", branch("Abs")],
    ] as const;
    graph.addOutput(graph.addNode("If", [condition], { attributes, outputs: ["y"] }).outputs[0]!);
    const run = (on: number) =>
      interpret(
        graph,
        new Map([
          ["condition", { ...array([], on), dtype: "bool" as const }],
          ["x", array([1], -3)],
        ]),
      );
    expect([run(1).get("y")!.data[0], run(0).get("y")!.data[0]]).toEqual([0, 3]);
  });
  test("Loop carries values and stacks scan outputs", () => {
    const graph = new Graph("powers");
    const [limit, x] = [graph.addInitializer("limit", int64([], [3])), graph.addInput("x", "float32")];
    const body = new Graph("body", undefined, graph);
    const [, goes, before] = [body.addInput("turn"), body.addInput("goes"), body.addInput("before")];
    const [on] = body.addNode("Identity", [goes], { outputs: ["on"] }).outputs;
    const [after] = body.addNode("Add", [before, before], { outputs: ["after"] }).outputs;
    const [row] = body.addNode("Identity", [after], { outputs: ["row"] }).outputs;
    for (const value of [on, after, row]) body.addOutput(value!);
    const attributes = [["body", { type: "graph", value: body }]] as const;
    for (const output of graph.addNode("Loop", [limit, undefined, x], {
      attributes,
      outputs: ["last", "all"],
    }).outputs)
      graph.addOutput(output!);
    const found = interpret(graph, new Map([["x", array([1], 1)]]));
    expect(found.get("last")).toEqual(array([1], 8));
    expect(found.get("all")).toEqual(array([3, 1], 2, 4, 8));
  });
});

describe("refusals", () => {
  const nodeOf = (op: string, inputs: number, attributes: Record<string, number> = {}) => {
    const graph = new Graph("one");
    return graph.addNode(
      op,
      Array.from({ length: inputs }, (_, i) => graph.addInput(`x${i}`)),
      {
        attributes: Object.entries(attributes).map(([key, value]) => [key, { type: "int", value }] as const),
      },
    );
  };
  const x = array([2, 2], 1, 2, 3, 4);
  const rows: readonly [string, string, () => unknown][] = [
    ["an operator it does not know", "graph/no-kernel", () => runNode(nodeOf("Foo", 1), [x])],
    [
      "a spelling of an older opset",
      "graph/no-kernel",
      () => runNode(nodeOf("Squeeze", 1, { axes: 0 }), [x]),
    ],
    ["randomness", "graph/no-kernel", () => runNode(nodeOf("Dropout", 3), [x, array([], 0.5), array([], 1)])],
    ["an index outside", "graph/bad-index", () => runNode(nodeOf("Gather", 2), [x, array([1], 2)])],
    ["an axis outside", "graph/bad-index", () => runNode(nodeOf("Softmax", 1, { axis: 2 }), [x])],
    [
      "sizes that do not broadcast",
      "graph/shape-mismatch",
      () => runNode(nodeOf("Add", 2), [x, array([3], 1, 2, 3)]),
    ],
    [
      "columns that meet no rows",
      "graph/shape-mismatch",
      () => runNode(nodeOf("MatMul", 2), [x, array([1, 2], 1, 2)]),
    ],
    [
      "a label that is no class",
      "graph/bad-index",
      () => runNode(nodeOf("NegativeLogLikelihoodLoss", 2), [x, array([2], 0, 5)]),
    ],
  ];
  test.each(rows)("%s", (_, code, run) => expect(codeOf(run)).toBe(code));
});

describe("conversions", () => {
  const rows: readonly [DataType, readonly number[]][] = [
    ["float32", [1.5, -0.25, Number.POSITIVE_INFINITY]],
    ["float64", [0.1, -1e300, 0]],
    ["float16", [1.5, -65504, 2 ** -24]],
    ["bfloat16", [1.5, -3.140625, 2 ** 100]],
    ["float8e4m3fn", [448, -0.001953125, 1.125]],
    ["float8e4m3fnuz", [240, -1.125, 0]],
    ["float8e5m2", [57344, -1.25, Number.NEGATIVE_INFINITY]],
    ["float8e5m2fnuz", [57344, -1.25, Number.NaN]],
    ["float8e8m0", [2 ** -127, 1, 2 ** 127]],
    ["float4e2m1", [6, -0.5, 1.5]],
    ["int2", [1, -2, 0]],
    ["int4", [7, -8, -1]],
    ["int8", [127, -128, -1]],
    ["int16", [32767, -32768, 5]],
    ["int32", [2 ** 31 - 1, -(2 ** 31), 5]],
    ["int64", [2 ** 53, -(2 ** 53), -1]],
    ["uint2", [3, 0, 2]],
    ["uint4", [15, 0, 9]],
    ["uint8", [255, 0, 7]],
    ["uint16", [65535, 0, 7]],
    ["uint32", [2 ** 32 - 1, 0, 7]],
    ["uint64", [2 ** 53, 0, 7]],
    ["bool", [1, 0, 1]],
  ];
  test.each(rows)("%s survives both ways", (dtype, values) => {
    const stored = { dtype, dims: [3], data: Float64Array.from(values) };
    expect(toNdArray(fromNdArray(stored))).toEqual(stored);
  });
  test("sub-byte fields lie low bits first", () =>
    expect(toNdArray(tensorOf("int4", [3], Uint8Array.of(0xf1, 0x08))).data).toEqual(
      Float64Array.of(1, -1, -8),
    ));
  test("float8 patterns, as ONNX documents them", () =>
    expect(toNdArray(tensorOf("float8e4m3fn", [4], Uint8Array.of(0x38, 0x7e, 0x01, 0x7f))).data).toEqual(
      Float64Array.of(1, 448, 2 ** -9, Number.NaN),
    ));
  test("strings are refused", () =>
    expect(codeOf(() => toNdArray(tensorOf("string", [0], new Uint8Array(0))))).toBe("graph/no-kernel"));
});

test("what hangs on the size of a changed input alone is not computed again", () => {
  const graph = new Graph("sized");
  const x = graph.addInput("x", "float32", ["n"]);
  const [size] = graph.addNode("Shape", [x], { outputs: ["size"] }).outputs;
  const [ones] = graph.addNode("ConstantOfShape", [size], { outputs: ["ones"] }).outputs;
  const [y] = graph.addNode("Add", [x, ones], { outputs: ["y"] }).outputs;
  graph.addOutput(y!);
  const before = interpret(graph, new Map([["x", array([2], 1, 2)]]), { keepAll: true });
  const since = { values: before, changed: new Set(["x"]) };
  const again = (x: NdArray) => interpret(graph, new Map([["x", x]]), { keepAll: true, since });
  const same = again(array([2], 3, 4));
  expect(same.get("ones")).toBe(before.get("ones"));
  expect([...same.get("y")!.data]).toEqual([3, 4]);
  const longer = again(array([3], 3, 4, 5));
  expect(longer.get("ones")!.dims).toEqual([3]);
});

test("a sequence of other arrays is another one", () => {
  const graph = new Graph("listed");
  const x = graph.addInput("x", "float32", ["n"]);
  const [list] = graph.addNode("SequenceConstruct", [x, x], { outputs: ["list"] }).outputs;
  const last = graph.addInitializer("last", int64([], [-1]));
  graph.addOutput(graph.addNode("SequenceAt", [list, last], { outputs: ["y"] }).outputs[0]!);
  const before = interpret(graph, new Map([["x", array([2], 1, 2)]]), { keepAll: true });
  const since = { values: before, changed: new Set(["x"]) };
  const now = interpret(graph, new Map([["x", array([2], 3, 4)]]), { keepAll: true, since });
  expect([...now.get("y")!.data]).toEqual([3, 4]);
});
