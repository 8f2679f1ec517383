import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { DiapasonError } from "../base/errors.ts";
import { writeOnnx } from "../formats/onnx/writer.ts";
import { scan } from "../graph/builder/scan.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Dim } from "../graph/dim.ts";
import { bodyOf, Graph, type Value } from "../graph/ir.ts";
import { interpret } from "../graph/kernels/interpret.ts";
import { differentiate } from "./differentiate.ts";
import { obstaclesOf } from "./path.ts";

function started(shapes: { readonly [name: string]: readonly Dim[] }): [GraphBuilder, ...Value[]] {
  const graph = new Graph("outer");
  const inputs = Object.entries(shapes).map(([name, shape]) => graph.addInput(name, "float32", shape));
  return [new GraphBuilder(graph), ...inputs];
}

/** The graph with the sum of a value as its loss. */
function withLoss(g: GraphBuilder, y: Value): Graph {
  const loss = g.op("ReduceSum", [y], { keepdims: 0 }, ["loss"]);
  g.graph.addOutput(loss);
  return g.graph;
}

const backOf = (graph: Graph, parameter: string) =>
  differentiate(graph, { loss: "loss", parameters: [parameter] }).graph;

function errorOf(run: () => unknown): DiapasonError {
  try {
    run();
  } catch (error) {
    if (error instanceof DiapasonError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

/** h ← tanh(h·Wᵀ + x), the last state squared. */
function recurrence(): Graph {
  const [g, x, w] = started({ x: [5, 2, 3], w: [3, 3] });
  const start = g.constant(new Array<number>(6).fill(0), "float32", [2, 3]);
  const { states } = scan(g, [start], [x!], (b, [state], [row]) => ({
    states: [b.op("Tanh", [b.add(row!, b.matmul(state!, b.transpose(w!, [1, 0])))])],
    outputs: [],
  }));
  return withLoss(g, g.square(states[0]!));
}

describe("the way back through a Scan", () => {
  const graph = backOf(recurrence(), "w");
  const [forward, back] = graph.nodes.filter(({ op }) => op === "Scan").map((node) => bodyOf(node, "body"));
  const opsOf = (one: Graph | undefined) => one!.nodes.map(({ op }) => op).sort();

  test("holds the backward pass alone", () => expect(opsOf(back)).not.toContain("Tanh"));
  test("leaves the weights' gradient to one product of all steps", () => {
    const summed = (one: Graph) => one.nodes.filter((node) => node.attributes.get("transA")?.value === 1);
    expect(summed(back!)).toEqual([]);
    expect(summed(graph).length).toBe(1);
  });
  test("transposes a weight once", () => {
    expect(opsOf(forward)).toEqual(["Add", "Identity", "Identity", "MatMul", "Tanh"]);
    expect(graph.nodes.filter(({ op }) => op === "Transpose").length).toBe(2);
  });
  test("is left out where nothing below it moves", () => {
    const [g, x, w] = started({ x: [4, 2], w: [2] });
    const start = g.constant([0, 0]);
    const { states } = scan(g, [start], [x!], (b, [state], [row]) => ({
      states: [b.add(state!, row!)],
      outputs: [],
    }));
    const scans = backOf(withLoss(g, g.mul(states[0]!, w!)), "w").nodes.filter(({ op }) => op === "Scan");
    expect(scans.length).toBe(1);
  });
});

describe("refusals", () => {
  test("a Loop whose state grows", () => {
    const [g, x] = started({ x: [2] });
    const body = new Graph("body", undefined, g.graph);
    const [, goes, state] = [
      body.addInput("turn", "int64", []),
      body.addInput("goes", "bool", []),
      body.addInput("state", "float32", [2]),
    ];
    body.addOutput(goes);
    body.addOutput(new GraphBuilder(body).op("Concat", [state, x!], { axis: 0 }));
    const y = g.op("Loop", [g.constant([3], "int64", []), undefined, x!], { body });
    const error = errorOf(() => backOf(withLoss(g, y), "x"));
    expect(error.code).toBe("autodiff/no-gradient");
    expect(error.message).toContain('the shape of its carried value "state" changes');
  });
  test("steps of which each gives another size, while they are computed", () => {
    const [g, x] = started({ x: [2] });
    const body = new Graph("body", undefined, g.graph);
    const turn = body.addInput("turn", "int64", []);
    const goes = body.addInput("goes", "bool", []);
    const b = new GraphBuilder(body);
    const sizes = b.concat([b.reshape(b.add(turn, 1), [1]), b.ints([2])], 0);
    body.addOutput(goes);
    body.addOutput(b.op("Expand", [x!, sizes]));
    const y = g.op("Loop", [g.constant([3], "int64", []), undefined], { body });
    const feeds = new Map([["x", { dtype: "float32" as const, dims: [2], data: Float64Array.of(1, 2) }]]);
    const error = errorOf(() => interpret(withLoss(g, y), feeds));
    expect(error.code).toBe("graph/shape-mismatch");
    expect(error.message).toContain("one gives [1,2] and another [2,2]");
  });
  test("a branch that draws random numbers", () => {
    const [g, x] = started({ x: [2] });
    const branch = (name: string, make: (b: GraphBuilder) => Value) => {
      const body = new Graph(name, undefined, g.graph);
      body.addOutput(make(new GraphBuilder(body)));
      return body;
    };
    const y = g.op("If", [g.greater(g.op("ReduceSum", [x!], { keepdims: 0 }), 0)], {
      then_branch: branch("then", (b) =>
        b.mul(x!, b.op("Dropout", [x!, b.constant([0.5], "float32", []), b.constant([1], "bool", [])])),
      ),
      else_branch: branch("else", (b) => b.neg(x!)),
    });
    expect(errorOf(() => backOf(withLoss(g, y), "x")).message).toContain("draws random numbers");
  });
  test("an operator inside names the parameters outside, and so does inspection", () => {
    const [g, x, w] = started({ x: [4, 2], weight: [2] });
    const { states } = scan(g, [g.constant([0, 0])], [x!], (b, [state], [row]) => {
      const strange = b.graph.addNode("Strange", [b.mul(row!, w!)], { name: "inside" }).outputs[0]!;
      Object.assign(strange, { dtype: "float32", shape: [2] });
      return { states: [b.add(state!, strange)], outputs: [] };
    });
    const graph = withLoss(g, states[0]!);
    expect(errorOf(() => backOf(graph, "weight")).message).toBe(
      'Strange "inside" has no gradient, and "weight" would need one.',
    );
    const obstacles = obstaclesOf(graph, graph.get("loss"), [w!]);
    expect(obstacles.map(({ node, parameters }) => [node.name, parameters])).toEqual([["inside", [w]]]);
  });
});

test("what is taken out of a body keeps an open size to itself", () => {
  const [g, x, bias] = started({ x: ["tokens", 2, 3], bias: ["directions", "rows"] });
  const ones = (dims: readonly number[]) => g.ones(dims, x!);
  const inputs = [x, ones([2, 6, 3]), ones([2, 6, 2]), bias];
  const layer = g.node("GRU", inputs, { hidden_size: 2, direction: "bidirectional" }, ["y"]);
  const graph = backOf(withLoss(g, layer.outputs[0]!), "bias");
  const sizes = graph.nodes.filter(({ op }) => op === "NonZero").map(({ outputs }) => outputs[0]!.shape![1]);
  expect(sizes.length).toBeGreaterThan(1);
  expect(new Set(sizes).size).toBe(sizes.length);
});

test("a branch of other sizes, which cannot be taken, hinders no run", async () => {
  const [g, x] = started({ x: [4] });
  const branch = (name: string, make: (b: GraphBuilder) => Value) => {
    const body = new Graph(name, undefined, g.graph);
    body.addOutput(make(new GraphBuilder(body)));
    return body;
  };
  const y = g.op("If", [g.constant([1], "bool", [])], {
    then_branch: branch("then", (b) => b.square(x!)),
    else_branch: branch("else", (b) => b.concat([b.neg(x!), b.exp(x!)], 0)),
  });
  const { graph, gradients } = differentiate(withLoss(g, y), { loss: "loss", parameters: ["x"] });
  const session = await InferenceSession.create(writeOnnx(graph), { logSeverityLevel: 4 });
  const outputs = await session.run({ x: new Tensor("float32", Float32Array.of(1, -2, 3, 0.5), [4]) });
  await session.release();
  expect([...(outputs[gradients.get("x")!]!.data as Float32Array)]).toEqual([2, -4, 6, 1]);
});

test("of a value whose sizes change from step to step its sizes are kept", async () => {
  const [g, x] = started({ x: [3, 2] });
  const { outputs: sums } = scan(g, [], [x!], (b, _states, [row]) => {
    const branch = (name: string, make: (inner: GraphBuilder) => Value) => {
      const body = new Graph(name, undefined, b.graph);
      body.addOutput(make(new GraphBuilder(body)));
      return body;
    };
    const either = b.op("If", [b.greater(b.op("ReduceSum", [row!], { keepdims: 0 }), 0)], {
      then_branch: branch("then", (inner) => inner.concat([row!, row!], 0)),
      else_branch: branch("else", (inner) => inner.op("Identity", [row!])),
    });
    return { states: [], outputs: [b.op("ReduceSum", [either], { keepdims: 0 })] };
  });
  const { graph, gradients } = differentiate(withLoss(g, sums[0]!), { loss: "loss", parameters: ["x"] });
  const session = await InferenceSession.create(writeOnnx(graph), { logSeverityLevel: 4 });
  const outputs = await session.run({ x: new Tensor("float32", Float32Array.of(1, 2, -3, 1, 0, 4), [3, 2]) });
  await session.release();
  expect([...(outputs[gradients.get("x")!]!.data as Float32Array)]).toEqual([2, 2, 1, 1, 2, 2]);
});

test("what is taken out of two bodies that call their values alike has two names", () => {
  const [g, x, table] = started({ x: [4, 2], table: [5, 2] });
  const ids = g.constant([0, 3, 3, 1], "int64");
  const once = (start: Value) =>
    scan(g, [start], [x!, ids], (b, [state], [row, id]) => {
      const found = b.op("Gather", [table!, id!], {}, ["found"]);
      return { states: [b.op("Tanh", [b.mul(b.add(state!, row!), found)])], outputs: [] };
    }).states[0]!;
  const graph = backOf(withLoss(g, once(once(g.constant([0.5, 1])))), "table");
  const names = graph.nodes.map(({ name }) => name).filter((name) => name !== "");
  expect(graph.nodes.filter(({ op }) => op === "ConstantOfShape").length).toBeGreaterThan(1);
  expect(new Set(names).size).toBe(names.length);
});
