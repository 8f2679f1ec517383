import { describe, expect, test } from "vitest";
import { DiapasonError } from "../base/errors.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { Graph, type Value } from "../graph/ir.ts";
import { interpret } from "../graph/kernels/interpret.ts";
import { print } from "../graph/print.ts";
import { float32 } from "../graph/tensor.ts";
import { differentiate } from "./differentiate.ts";

/** Three linear layers w0, w1, w2 with ReLUs between, and the sum of the outputs as loss. */
function threeLayers(batch: number | string = 2): Graph {
  const graph = new Graph("layers");
  const g = new GraphBuilder(graph);
  let x: Value = graph.addInput("x", "float32", [batch, 3]);
  for (let i = 0; i < 3; i++) {
    const w = graph.addInitializer(`w${i}`, float32([3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]));
    x = g.matmul(x, w);
    if (i < 2) x = g.op("Relu", [x]);
  }
  const loss = g.sum(x, [0, 1]);
  graph.rename(loss, "loss");
  graph.addOutput(loss);
  return graph;
}

/** The operators that differentiation added. */
const added = (graph: Graph, parameters: string[]): string[] => {
  const before = new Set(graph.nodes.flatMap((node) => node.outputs.map((output) => output?.name)));
  const { graph: after } = differentiate(graph, { loss: "loss", parameters });
  return after.nodes.filter((node) => !before.has(node.outputs[0]?.name)).map((node) => node.op);
};

const errorOf = (action: () => unknown): DiapasonError => {
  try {
    action();
  } catch (error) {
    if (error instanceof DiapasonError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
};

describe("only what moves is gone back to", () => {
  test("golden: the highest of three layers", () => {
    const { graph } = differentiate(threeLayers(), { loss: "loss", parameters: ["w2"] });
    expect(print(graph)).toMatchInlineSnapshot(`
      "graph "layers" (onnx 21, com.microsoft 1)
        input %x: float32[2, 3]
        input %w2: float32[3, 3]
        constant %w0: float32[3, 3] = …
        constant %w1: float32[3, 3] = …
        %matmul: float32[2, 3] = MatMul(%x, %w0)
        %relu: float32[2, 3] = Relu(%matmul)
        %matmul_1: float32[2, 3] = MatMul(%relu, %w1)
        %relu_2: float32[2, 3] = Relu(%matmul_1)
        %matmul_3: float32[2, 3] = MatMul(%relu_2, %w2)
        # back through %loss
        %unsqueeze: float32[1, 1] = Unsqueeze(1, [0, 1])
        %matmul_3.grad: float32[2, 3] = Expand(%unsqueeze, [2, 3])
        # back through %matmul_3
        %w2.grad: float32[3, 3] = com.microsoft.FusedMatMul(%relu_2, %matmul_3.grad) {alpha: 1, transA: 1, transB: 0}
        # forward
        %loss: float32[] = ReduceSum(%matmul_3, [0, 1]) {keepdims: 0}
        output %loss, %w2.grad
      "
    `);
  });
  test("each lower layer adds its own nodes", () => {
    expect(added(threeLayers(), ["w2"])).toMatchInlineSnapshot(`
      [
        "Unsqueeze",
        "Expand",
        "FusedMatMul",
      ]
    `);
    expect(added(threeLayers(), ["w1"])).toMatchInlineSnapshot(`
      [
        "Unsqueeze",
        "Expand",
        "FusedMatMul",
        "Cast",
        "Cast",
        "Mul",
        "FusedMatMul",
      ]
    `);
    expect(added(threeLayers(), ["w0", "w2"])).toMatchInlineSnapshot(`
      [
        "Unsqueeze",
        "Expand",
        "FusedMatMul",
        "Cast",
        "Cast",
        "Mul",
        "FusedMatMul",
        "Cast",
        "Cast",
        "Mul",
        "FusedMatMul",
        "FusedMatMul",
      ]
    `);
  });
});

test("parameters become inputs, the source graph stays", () => {
  const source = threeLayers();
  const before = print(source);
  const { graph, gradients, loss } = differentiate(source, { loss: "loss", parameters: ["w0", "w2"] });
  expect(print(source)).toBe(before);
  expect(graph.inputs.map(({ name }) => name)).toEqual(["x", "w0", "w2"]);
  expect([...gradients]).toEqual([
    ["w0", "w0.grad"],
    ["w2", "w2.grad"],
  ]);
  expect(graph.outputs.map(({ name }) => name)).toEqual([loss, "w0.grad", "w2.grad"]);
});

test("what nobody reads comes last, in reverse order of creation", () => {
  const { graph } = differentiate(threeLayers(), { loss: "loss", parameters: ["w0", "w1", "w2"] });
  const ends = graph.nodes.slice(-4).map((node) => node.outputs[0]!.name);
  expect(ends).toEqual(["w0.grad", "w1.grad", "w2.grad", "loss"]);
});

test("a gradient can be differentiated again, and no two nodes are called alike", async () => {
  const graph = new Graph("cubes");
  const g = new GraphBuilder(graph);
  const w = graph.addInput("w", "float32", [2, 3]);
  graph.addOutput(g.op("ReduceSum", [g.mul(g.square(w), w)], { keepdims: 0 }, ["sum"]));
  const once = differentiate(graph, { loss: "sum", parameters: ["w"] }).graph;
  const b = new GraphBuilder(once);
  once.addOutput(b.op("ReduceSum", [b.square(once.get("w.grad"))], { keepdims: 0 }, ["loss"]));
  const twice = differentiate(once, { loss: "loss", parameters: ["w"] });
  const names = twice.graph.nodes.map(({ name }) => name).filter((name) => name !== "");
  expect(names).toContain("loss.back.1");
  expect(new Set(names).size).toBe(names.length);
  // loss = Σ (3w²)², its gradient 36w³
  const data = Float64Array.of(-2, -1, 0, 0.5, 1, 2);
  const found = interpret(twice.graph, new Map([["w", { dtype: "float32", dims: [2, 3], data }]]));
  const gradient = found.get(twice.gradients.get("w")!)!.data;
  expect([...gradient]).toEqual([...data].map((x) => 36 * x ** 3));
});

test("bound symbols leave no shape to find at run time", () => {
  const graph = threeLayers("batch");
  const operators = (symbols: Record<string, number>) =>
    differentiate(graph, { loss: "loss", parameters: ["w0"], symbols }).graph.nodes.map(({ op }) => op);
  expect(operators({})).toContain("Shape");
  expect(operators({ batch: 8 })).not.toContain("Shape");
});

test("a detached value counts as a constant", () => {
  const graph = new Graph("norm");
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", "float32", [2]);
  const norm = g.sqrt(g.sum(g.mul(x, x), [0]));
  norm.detached = true;
  const loss = g.sum(g.div(x, norm), [0]);
  graph.addOutput(loss);
  const made = differentiate(graph, { loss: loss.name, parameters: ["x"] });
  const feeds = new Map([["x", { dtype: "float32" as const, dims: [2], data: Float64Array.of(3, 4) }]]);
  expect([...interpret(made.graph, feeds).get("x.grad")!.data]).toEqual([0.2, 0.2]);
});

test("two parameters with the same gradient have an output each", () => {
  const graph = new Graph("same");
  const [a, b] = ["a", "b"].map((name) => graph.addInput(name, "float32", [2])) as [Value, Value];
  const g = new GraphBuilder(graph);
  const loss = g.sum(g.add(a, b), [0]);
  graph.rename(loss, "loss");
  graph.addOutput(loss);
  const { gradients, graph: after } = differentiate(graph, { loss: "loss", parameters: ["a", "b"] });
  expect([...gradients.values()]).toEqual(["a.grad", "b.grad"]);
  expect(after.outputs).toHaveLength(3);
});

test("the value a parameter starts with is not built in", () => {
  const graph = new Graph("power");
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", "float32", [2]);
  const exponent = graph.addInitializer("exponent", float32([1], [2]));
  const loss = g.sum(g.pow(x, exponent), [0]);
  graph.addOutput(loss);
  const { graph: after } = differentiate(graph, { loss: loss.name, parameters: ["x", "exponent"] });
  const feeds = new Map(
    [["x", 3, 2] as const, ["exponent", 3] as const].map(([name, ...data]) => [
      name,
      { dtype: "float32" as const, dims: [data.length], data: Float64Array.from(data) },
    ]),
  );
  expect([...interpret(after, feeds).get("x.grad")!.data]).toEqual([27, 12]);
});

describe("refusals", () => {
  /** x · w, an operator nobody knows, · v. */
  function withStranger(domain = "example"): Graph {
    const graph = new Graph("stranger");
    const g = new GraphBuilder(graph);
    const x = graph.addInput("x", "float32", [2, 3]);
    const weight = (name: string) => graph.addInitializer(name, float32([3, 3], new Float32Array(9)));
    const [odd] = graph.addNode("Oddity", [g.matmul(x, weight("w"))], {
      domain,
      name: "/odd",
    }).outputs;
    Object.assign(odd!, { dtype: "float32", shape: [2, 3] });
    const loss = g.sum(g.matmul(odd!, weight("v")), [0, 1]);
    graph.rename(loss, "loss");
    graph.addOutput(loss);
    return graph;
  }
  test("an operator on the path without a gradient", () => {
    const error = errorOf(() => differentiate(withStranger(), { loss: "loss", parameters: ["w", "v"] }));
    expect([error.code, error.message, error.fix]).toMatchInlineSnapshot(`
      [
        "autodiff/no-gradient",
        "Oddity "/odd" of the domain example has no gradient, and "w" would need one.",
        "Freeze "w": what lies between this node and the loss can move.",
      ]
    `);
  });
  test("what was made for one machine is told to be saved as it was before", () => {
    const graph = withStranger("com.microsoft.nchwc");
    const error = errorOf(() => differentiate(graph, { loss: "loss", parameters: ["w"] }));
    expect([error.code, error.message]).toEqual([
      "autodiff/no-gradient",
      'Oddity "/odd" of the domain com.microsoft.nchwc has no gradient, and "w" would need one.',
    ]);
    expect(error.fix).toContain("extended instead of all");
  });
  test("it does not matter below what moves", () => {
    expect(differentiate(withStranger(), { loss: "loss", parameters: ["v"] }).gradients.size).toBe(1);
  });
  test("an output without a gradient", () => {
    const graph = new Graph("statistics");
    const g = new GraphBuilder(graph);
    const x = graph.addInput("x", "float32", [2, 3]);
    const each = [1, 0, 0, 1].map((value) => g.constant([value, value, value]));
    const attributes = { training_mode: 1 };
    const [, mean] = g.node("BatchNormalization", [x, ...each], attributes, ["y", "m", "v"]).outputs;
    graph.addOutput(g.sum(mean!, [0]));
    const error = errorOf(() => differentiate(graph, { loss: graph.outputs[0]!.name, parameters: ["x"] }));
    expect(error.message).toContain("BatchNormalization has no gradient through its output 1");
  });
  test("a loss of several numbers, of whole numbers, that is not there", () => {
    const graph = threeLayers();
    const of = (loss: string) => errorOf(() => differentiate(graph, { loss, parameters: ["w0"] })).message;
    expect(of("x")).toBe('The loss "x" is float32 [2, 3]; expected is one float number.');
    expect(of("nowhere")).toBe('The loss "nowhere" is not in the graph; expected is one float number.');
  });
  test("a parameter that is not there, is computed, or does not reach the loss", () => {
    const graph = threeLayers();
    graph.addInitializer("idle", float32([1], [0]));
    const of = (name: string) => errorOf(() => differentiate(graph, { loss: "loss", parameters: [name] }));
    expect(of("w9").message).toBe('The graph has no value "w9".');
    expect(of("w9").fix).toBe('Write "w0".');
    expect(of("relu").message).toBe('"relu" is computed by Relu; expected is a float initializer or input.');
    expect(of("idle").code).toBe("autodiff/no-path");
  });
  test("a size that is needed is still a symbol", () => {
    const graph = new Graph("image");
    const g = new GraphBuilder(graph);
    const x = graph.addInput("x", "float32", [1, 2, 8, 8]);
    const w = graph.addInput("w", "float32", [2, 2, "taps", 3]);
    const loss = g.op("ReduceSum", [g.op("Conv", [x, w])], { keepdims: 0 });
    graph.addOutput(loss);
    const error = errorOf(() => differentiate(graph, { loss: loss.name, parameters: ["w"] }));
    expect([error.code, error.message, error.fix]).toMatchInlineSnapshot(`
      [
        "autodiff/unknown-size",
        "The gradient of Conv needs the spatial sizes of "w" as numbers; known is [taps, 3].",
        "Bind the symbols when differentiating, for example symbols: { taps: 224 }.",
      ]
    `);
    const bound = differentiate(graph, { loss: loss.name, parameters: ["w"], symbols: { taps: 3 } });
    expect(bound.gradients.size).toBe(1);
  });
});
