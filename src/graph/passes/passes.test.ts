import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../builder.ts";
import { knownNumbers } from "../infer.ts";
import { type Attribute, Graph, type Value } from "../ir.ts";
import { interpret } from "../kernels/interpret.ts";
import { print } from "../print.ts";
import { float32, int64 } from "../tensor.ts";
import { cleanUp } from "./clean-up.ts";
import { foldConstants } from "./fold-constants.ts";
import { normalize } from "./normalize.ts";
import { removeDead } from "./remove-dead.ts";
import { removeIdentities } from "./remove-identities.ts";

const int = (value: number): Attribute => ({ type: "int", value });
const ints = (...value: number[]): Attribute => ({ type: "ints", value });
const float = (value: number): Attribute => ({ type: "float", value });

/** A graph of one operator of an opset over x: float32[2, 3, 4]. */
function old(
  opset: number,
  op: string,
  attributes: { readonly [key: string]: Attribute },
  outputs = 1,
): Graph {
  const graph = new Graph("old", [["", opset]]);
  const x = graph.addInput("x", "float32", [2, 3, 4]);
  const names = Array.from({ length: outputs }, (_, i) => `y${i}`);
  const node = graph.addNode(op, [x], { attributes: Object.entries(attributes), outputs: names });
  for (const output of node.outputs) graph.addOutput(output!);
  return graph;
}
const nodesOf = (graph: Graph): string[] => graph.nodes.map((node) => node.op);
const constants = (node: { readonly inputs: readonly (Value | undefined)[] }) =>
  node.inputs.slice(1).map((input) => knownNumbers(input));

describe("older spellings", () => {
  test.each<[string, Graph, (readonly number[] | undefined)[]]>([
    ["Squeeze", old(11, "Squeeze", { axes: ints(0) }), [[0]]],
    ["Unsqueeze", old(11, "Unsqueeze", { axes: ints(0, -1) }), [[0, -1]]],
    ["ReduceMean", old(17, "ReduceMean", { axes: ints(1), keepdims: int(0) }), [[1]]],
    ["ReduceSum without axes", old(11, "ReduceSum", {}), []],
    ["Split", old(11, "Split", { axis: int(2), split: ints(1, 3) }, 2), [[1, 3]]],
    ["Slice", old(9, "Slice", { starts: ints(1), ends: ints(3), axes: ints(2) }), [[1], [3], [2]]],
    ["Pad", old(10, "Pad", { pads: ints(0, 0, 1, 0, 0, 1), value: float(2) }), [[0, 0, 1, 0, 0, 1], [2]]],
    ["Clip", old(10, "Clip", { min: float(0), max: float(6) }), [[0], [6]]],
    ["Clip without a lower end", old(10, "Clip", { max: float(6) }), [undefined, [6]]],
    ["Dropout", old(10, "Dropout", { ratio: float(0.5) }), [[0.5]]],
    ["DFT", old(17, "DFT", { axis: int(2), inverse: int(1) }), [undefined, [2]]],
    ["DFT along the axis it had by default", old(19, "DFT", {}), [undefined, [1]]],
    ["TopK", old(9, "TopK", { k: int(2) }, 2), [[2]]],
  ])("%s", (_, graph, expected) => {
    normalize(graph);
    expect(graph.opsets.get("")).toBe(21);
    expect(constants(graph.nodes[0]!)).toEqual(expected);
    for (const key of ["axes", "split", "starts", "pads", "min", "k"])
      expect(graph.nodes[0]!.attributes.has(key)).toBe(false);
  });

  test.each([
    [7, "float32"],
    [10, "bool"],
  ])("the mask of a Dropout of opset %i is of zeros, as in ONNX Runtime", (opset, dtype) => {
    const graph = old(opset, "Dropout", {}, 2);
    normalize(graph);
    const x = { dtype: "float32" as const, dims: [2, 3, 4], data: new Float64Array(24).fill(3) };
    const mask = interpret(graph, new Map([["x", x]])).get("y1")!;
    expect([mask.dtype, mask.dims, new Set(mask.data)]).toEqual([dtype, [2, 3, 4], new Set([0])]);
  });

  test("Erfc, which no opset has, is 1 − Erf", () => {
    const graph = old(15, "Erfc", {});
    normalize(graph);
    const x = {
      dtype: "float32" as const,
      dims: [2, 3, 4],
      data: Float64Array.from({ length: 24 }, (_, i) => i / 8 - 1),
    };
    const y = interpret(graph, new Map([["x", x]])).get("y0")!;
    expect(y.data[0]).toBeCloseTo(1.8427007929, 9);
    expect(y.data[8]).toBe(1);
    expect(y.data[16]).toBeCloseTo(0.157299207, 9);
  });

  test("an end beyond the safe integers stays what it is", () => {
    const end = 2n ** 63n - 1n;
    const graph = old(9, "Slice", { starts: ints(1), ends: { type: "ints", value: [end] }, axes: ints(2) });
    normalize(graph);
    const bytes = graph.nodes[0]!.inputs[2]!.constant!.data.read();
    expect(new BigInt64Array(bytes.buffer, bytes.byteOffset, 1)[0]).toBe(end);
  });
  test("a Split of equal parts says how many", () => {
    const graph = old(13, "Split", { axis: int(1) }, 3);
    normalize(graph);
    expect(graph.nodes[0]!.attributes.get("num_outputs")).toEqual(int(3));
  });
  test("a Softmax over the last axis stays one node", () => {
    const graph = old(12, "Softmax", { axis: int(2) });
    normalize(graph);
    expect(nodesOf(graph)).toEqual(["Softmax"]);
    expect(graph.nodes[0]!.attributes.get("axis")).toEqual(int(-1));
  });
  test("a Softmax over several axes is flattened and brought back", () => {
    const graph = old(12, "Softmax", {});
    normalize(graph);
    expect(nodesOf(graph)).toEqual(["Shape", "Flatten", "Softmax", "Reshape"]);
    expect(graph.outputs.map((value) => value.name)).toEqual(["y0"]);
  });
  test("Upsample becomes Resize, Scatter becomes ScatterElements", () => {
    const upsample = old(7, "Upsample", { scales: { type: "floats", value: [1, 2, 2] } });
    normalize(upsample);
    expect(nodesOf(upsample)).toEqual(["Resize"]);
    expect(knownNumbers(upsample.nodes[0]!.inputs[2])).toEqual([1, 2, 2]);
    const scatter = new Graph("scatter", [["", 9]]);
    const [data, updates] = ["data", "updates"].map((name) => scatter.addInput(name, "float32", [3]));
    const indices = scatter.addInput("indices", "int64", [3]);
    scatter.addOutput(scatter.addNode("Scatter", [data, indices, updates]).outputs[0]!);
    normalize(scatter);
    expect(nodesOf(scatter)).toEqual(["ScatterElements"]);
  });
  test("a node without an input that its operator must have is refused", () => {
    const graph = new Graph("damaged");
    graph.addOutput(graph.addNode("MatMul", [graph.addInput("x", "float32", [2, 2])]).outputs[0]!);
    expect(() => normalize(graph)).toThrow("MatMul lacks its input B");
  });
  test("GroupNormalization's scales go from groups to channels", () => {
    const graph = new Graph("groups", [["", 18]]);
    const x = graph.addInput("x", "float32", [2, 6, 4]);
    const [scale, bias] = ["scale", "bias"].map((name) => graph.addInitializer(name, float32([2], [1, 2])));
    const made = graph.addNode("GroupNormalization", [x, scale, bias], {
      attributes: [["num_groups", int(2)]],
    });
    graph.addOutput(made.outputs[0]!);
    normalize(graph);
    foldConstants(graph, { keep: new Set() });
    expect(knownNumbers(graph.nodes[0]!.inputs[1])).toEqual([1, 1, 1, 2, 2, 2]);
  });
  test("a Constant of a body whose name a value around it has too gets a name of its own", () => {
    const graph = new Graph("outer");
    const condition = graph.addInput("condition", "bool", []);
    const branch = () => {
      const body = new Graph("branch", graph.opsets, graph);
      const attributes = [["value_floats", { type: "floats", value: [1, 2] }]] as const;
      const node = body.addNode("Constant", [], { attributes, outputs: ["c"] });
      body.addOutput(body.addNode("Neg", [node.outputs[0]], { outputs: ["made"] }).outputs[0]!);
      return { type: "graph", value: body } as const;
    };
    const [chosen, other] = [branch(), branch()];
    const attributes = [
      ["then_branch", chosen],
      ["else_branch", other],
    ] as const;
    graph.addOutput(graph.addNode("If", [condition], { attributes }).outputs[0]!);
    graph.addInitializer("c", float32([], [5]));
    normalize(graph);
    const { inputs } = chosen.value.nodes[0]!;
    expect(inputs[0]!.name).toBe("c_constant");
    expect(inputs[0]!.constant?.dims).toEqual([2]);
  });
  test("Constant nodes become initializers of the same name", () => {
    const graph = new Graph("constant", [["", 13]]);
    const node = graph.addNode("Constant", [], { attributes: [["value_ints", ints(1, 2)]], outputs: ["c"] });
    graph.addOutput(graph.addNode("Neg", [node.outputs[0]], { outputs: ["y"] }).outputs[0]!);
    normalize(graph);
    expect(nodesOf(graph)).toEqual(["Neg"]);
    expect(knownNumbers(graph.get("c"))).toEqual([1, 2]);
  });
  test.each([
    ["a normalisation of each pixel apart", old(8, "BatchNormalization", { spatial: int(0) })],
    ["a removed operator", old(9, "ImageScaler", {})],
  ])("%s is refused", (_, graph) =>
    expect(() => normalize(graph)).toThrowError(expect.objectContaining({ code: "graph/old-operator" })),
  );
  test("a later opset is kept", () => {
    const graph = old(23, "Relu", {});
    normalize(graph);
    expect(graph.opsets.get("")).toBe(23);
  });
});

/** y = Identity(Dropout(x) + Reshape(w, shape computed from x)). */
function untidy(): Graph {
  const graph = new Graph("untidy");
  const x = graph.addInput("x", "float32", [2, 3]);
  const w = graph.addInitializer("w", float32([6], [1, 2, 3, 4, 5, 6]));
  const dropped = graph.addNode("Dropout", [x], { outputs: ["dropped"] }).outputs[0]!;
  const shape = graph.addNode("Shape", [x], { outputs: ["shape"] }).outputs[0]!;
  const table = graph.addNode("Reshape", [w, shape], { outputs: ["table"] }).outputs[0]!;
  const total = graph.addNode("Add", [dropped, table], { outputs: ["total"] }).outputs[0]!;
  graph.addOutput(graph.addNode("Identity", [total], { outputs: ["y"] }).outputs[0]!);
  graph.addNode("Relu", [x], { outputs: ["unread"] });
  graph.addInitializer("spare", int64([1], [7]));
  return graph;
}

test("identities go, names of outputs stay", () => {
  const graph = untidy();
  removeIdentities(graph);
  expect(nodesOf(graph)).toEqual(["Shape", "Reshape", "Add", "Relu"]);
  expect(graph.outputs.map((value) => value.name)).toEqual(["y"]);
});
test("an Identity between an input and an output stays", () => {
  const graph = new Graph("copy");
  const x = graph.addInput("x", "float32", [1]);
  graph.addOutput(graph.addNode("Identity", [x], { outputs: ["y"] }).outputs[0]!);
  removeIdentities(graph);
  expect(nodesOf(graph)).toEqual(["Identity"]);
});
test("a Dropout whose mask is an output of the graph stays", () => {
  const graph = new Graph("mask");
  const x = graph.addInput("x", "float32", [4]);
  const [y, mask] = graph.addNode("Dropout", [x], { outputs: ["y", "mask"] }).outputs;
  graph.addOutput(graph.addNode("Relu", [y], { outputs: ["z"] }).outputs[0]!);
  graph.addOutput(mask!);
  removeIdentities(graph);
  expect(nodesOf(graph)).toEqual(["Dropout", "Relu"]);
});
test("dead nodes and spare constants go", () => {
  const graph = untidy();
  removeDead(graph);
  expect(nodesOf(graph)).toEqual(["Dropout", "Shape", "Reshape", "Add", "Identity"]);
  expect(graph.find("spare")).toBeUndefined();
});
test("a window and the weights of mel bands become constants", () => {
  const graph = new Graph("signal");
  const whole = (name: string, value: number) => graph.addInitializer(name, int64([], [value]));
  const window = graph.addNode("HannWindow", [whole("size", 4)], { outputs: ["window"] }).outputs[0]!;
  const hertz = [0, 4000].map((value) => graph.addInitializer(`hertz${value}`, float32([], [value])));
  const settings = [whole("bands", 2), whole("length", 8), whole("rate", 8000), ...hertz];
  const bands = graph.addNode("MelWeightMatrix", settings, { outputs: ["weights"] }).outputs[0]!;
  const x = graph.addInput("x", "float32", ["batch", 1]);
  for (const value of [window, bands])
    graph.addOutput(graph.addNode("Mul", [x, value], { outputs: [`x·${value.name}`] }).outputs[0]!);
  foldConstants(graph);
  expect(nodesOf(graph)).toEqual(["Mul", "Mul"]);
  expect(knownNumbers(graph.get("window"))).toEqual([0, 0.5, 1, 0.5]);
  expect(graph.get("weights").constant?.dims).toEqual([5, 2]);
});
test("sizes are folded, weights are not unless told", () => {
  const careful = untidy();
  cleanUp(careful);
  expect(nodesOf(careful)).toEqual(["Reshape", "Add"]);
  expect(knownNumbers(careful.get("shape"))).toEqual([2, 3]);
  const told = untidy();
  cleanUp(told, { keep: new Set() });
  expect(nodesOf(told)).toEqual(["Add"]);
  expect(print(told)).toContain("constant %table: float32[2, 3] = [1, 2, 3, 4, 5, 6]");
});
test("large results are left to the runtime", () => {
  const graph = new Graph("large");
  const shape = graph.addInitializer("shape", int64([2], [1024, 1024]));
  const one = graph.addInitializer("one", float32([1], [1]));
  const made = graph.addNode("Expand", [one, shape], { outputs: ["table"] }).outputs[0]!;
  graph.addOutput(graph.addNode("Neg", [made], { outputs: ["y"] }).outputs[0]!);
  foldConstants(graph);
  expect(nodesOf(graph)).toEqual(["Expand", "Neg"]);
});

test("a Loop of which all inputs are constants stays: its body reads what is around it", () => {
  const graph = new Graph("table of multiples");
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", "float32", [3]);
  const body = new Graph("turn", undefined, graph);
  const turn = body.addInput("turn", "int64", []);
  body.addOutput(body.addInput("goes", "bool", []));
  const b = new GraphBuilder(body);
  body.addOutput(b.mul(x, b.cast(turn, x)));
  const inputs = [g.constant([4], "int64", []), g.constant([1], "bool", [])];
  graph.addOutput(g.op("Exp", [g.op("Loop", inputs, { body }, ["rows"])]));
  cleanUp(graph);
  expect(nodesOf(graph)).toEqual(["Loop", "Exp"]);
  expect(graph.get("rows").shape).toEqual([4, 3]);
});

test("a default axis that a single number has no place for is one that nothing reads", () => {
  const graph = new Graph("quantised");
  const x = graph.addInitializer("x", float32([], [2]));
  const scale = graph.addInitializer("scale", float32([], [0.5]));
  const node = graph.addNode("QuantizeLinear", [x, scale], { outputs: ["y"] });
  graph.addOutput(node.outputs[0]!);
  cleanUp(graph);
  expect(graph.get("y").shape).toEqual([]);
});
