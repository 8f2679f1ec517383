import { describe, expect, test } from "vitest";
import { DiapasonError } from "../base/errors.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Shape } from "../graph/dim.ts";
import { Graph, type Value } from "../graph/ir.ts";
import { interpret, type NdArray } from "../graph/kernels/interpret.ts";
import { attachDeclaredLoss, parseLoss } from "./declared-loss.ts";
import { attachLossGraph } from "./loss-graph.ts";
import type { ArrayInfo } from "./target.ts";

/** A graph that gives its inputs back, so that outputs are whatever a test feeds. */
function mirror(shapes: Readonly<Record<string, Shape>>, make = (_: GraphBuilder, x: Value) => x): Graph {
  const graph = new Graph("mirror");
  const g = new GraphBuilder(graph);
  for (const [name, shape] of Object.entries(shapes)) {
    const value = make(g, graph.addInput(`${name}.in`, "float32", shape));
    const node = graph.addNode("Identity", [value], { outputs: [name] });
    Object.assign(node.outputs[0]!, { dtype: "float32", shape: value.shape });
    graph.addOutput(node.outputs[0]!);
  }
  return graph;
}

const nd = (
  dims: readonly number[],
  values: readonly number[],
  dtype: NdArray["dtype"] = "float32",
): NdArray => ({
  dtype,
  dims,
  data: Float64Array.from(values),
});
const arrays = (
  entries: Readonly<Record<string, readonly number[]>>,
  dtype: ArrayInfo["dtype"] = "float32",
) => new Map(Object.entries(entries).map(([name, dims]) => [name, { dtype, dims }]));

/** The loss of outputs and arrays by a declaration, with its parts. */
function lossOf(
  text: string,
  graph: Graph,
  data: ReadonlyMap<string, ArrayInfo>,
  feeds: Readonly<Record<string, NdArray>>,
) {
  const attached = attachDeclaredLoss(graph, parseLoss(text), data);
  const all = { weights: nd([2], [1, 1]), ...feeds };
  const given = Object.fromEntries(graph.inputs.map(({ name }) => [name, all[name as keyof typeof all]!]));
  const values = interpret(graph, new Map(Object.entries(given)));
  const list = (name: string) => Array.from(values.get(name)!.data);
  const { parts } = attached;
  return {
    attached,
    loss: list(attached.loss)[0]!,
    sums: list(parts!.sums),
    perExample: list(parts!.perExample),
  };
}

const predictions = nd([2, 3], [1, 2, 3, 4, 5, 6]);
const targets = nd([2, 3], [1, 0, 3, 1, 5, 9]);
const two = () => mirror({ y: ["batch", 3] });
const target = arrays({ t: [3] });

describe("what a declaration computes", () => {
  const run = (text: string, more: Readonly<Record<string, NdArray>> = {}, data = target) =>
    lossOf(text, two(), data, { "y.in": predictions, t: targets, ...more });

  test("mse, with its parts", () => {
    const { loss, sums, perExample, attached } = run("mse:y=t");
    expect(loss).toBeCloseTo(22 / 6, 9);
    expect(perExample).toEqual([4 / 3, 6]);
    expect(sums[0]! / sums[1]!).toBeCloseTo(loss, 9);
    expect(attached).toMatchObject({ outputs: ["y"], reads: [{ array: "t", input: "t", dtype: "float32" }] });
  });
  test("l1, huber and a weighted sum", () => {
    expect(run("l1:y=t").loss).toBeCloseTo(8 / 6, 9);
    expect(run("huber(delta=2):y=t").loss).toBeCloseTo((2 + 4 + 4) / 6, 9);
    const { loss, sums, attached } = run("2*mse:y=t + 0.5 * l1:y=t");
    expect(loss).toBeCloseTo((2 * 22) / 6 + (0.5 * 8) / 6, 9);
    expect(attached.parts!.factors).toEqual([2, 0.5]);
    expect(sums).toHaveLength(4);
    expect(attached.reads).toHaveLength(1);
  });
  test("an example of weight 0 does not count, and neither does what a mask leaves out", () => {
    expect(run("mse:y=t", { weights: nd([2], [1, 0]) }).loss).toBeCloseTo(4 / 3, 9);
    const data = new Map([...target, ...arrays({ m: [3], few: [] })]);
    const mask = nd([2, 3], [1, 1, 0, 0, 0, 1]);
    expect(run("mse(mask=m):y=t", { m: mask }, data).loss).toBeCloseTo((0 + 4 + 9) / 3, 9);
    expect(run("mse(mask=few):y=t", { few: nd([2], [0, 1]) }, data).loss).toBeCloseTo(6, 9);
    expect(run("mse(mask=m):y=t", { m: nd([2, 3], [0, 0, 0, 0, 0, 0]) }, data).loss).toBe(0);
    const t = nd([2, 3], [...targets.data].with(2, Number.NaN));
    expect(run("mse(mask=m):y=t", { m: mask, t }, data).loss).toBeCloseTo((0 + 4 + 9) / 3, 9);
    expect(run("mse(mask=m):y=t", { m: nd([2, 3], [0, 0, 1, 0, 0, 0]), t }, data).loss).toBeNaN();
  });
  test("bce reads logits, and what a Sigmoid reads", () => {
    const answers = nd([2, 3], [1, 0, 1, 0, 1, 0]);
    const logits = nd([2, 3], [2, -1, 0, 1, 3, -4]);
    const wanted =
      logits.data.reduce((sum, x, i) => sum + Math.log(1 + Math.exp(x)) - x * answers.data[i]!, 0) / 6;
    const feeds = { "y.in": logits, t: answers };
    expect(lossOf("bce:y=t", two(), target, feeds).loss).toBeCloseTo(wanted, 9);
    const sigmoid = mirror({ y: ["batch", 3] }, (g, x) => g.op("Sigmoid", [x]));
    // The Identity that names the output stands between: the logarithm of the share is taken instead.
    expect(lossOf("bce:y=t", sigmoid, target, feeds).loss).toBeCloseTo(wanted, 5);
    const direct = new Graph("direct");
    const x = direct.addInput("y.in", "float32", ["batch", 3]);
    direct.addOutput(new GraphBuilder(direct).op("Sigmoid", [x], {}, ["y"]));
    const sure = { "y.in": nd([2, 3], [200, -200, 200, -200, 200, -200]), t: answers };
    expect(lossOf("bce:y=t", direct, target, sure).loss).toBeCloseTo(0, 9);
  });
  test("cross-entropy against class numbers, distributions, other axes, ignored ones", () => {
    const scores = nd([2, 3], [2, 1, 0, 0, 0, 3]);
    const nats = (row: readonly number[], label: number) =>
      Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[label]!;
    const [a, b] = [nats([2, 1, 0], 0), nats([0, 0, 3], 1)];
    const labels = arrays({ t: [] }, "int64");
    const given = (dims: readonly number[], values: readonly number[]) => ({
      "y.in": scores,
      t: nd(dims, values, "int64"),
    });
    expect(lossOf("cross-entropy:y=t", two(), labels, given([2], [0, 1])).loss).toBeCloseTo((a + b) / 2, 9);
    const ignored = lossOf("cross-entropy:y=t", two(), labels, given([2], [0, -100]));
    expect([ignored.loss, ignored.sums[1], ignored.attached.reads[0]!.allowed]).toEqual([
      expect.closeTo(a, 9),
      1,
      { from: 0, to: 2, also: -100, what: 'class numbers of "y"' },
    ]);
    const distributions = given([2, 3], [1, 0, 0, 0, 0.5, 0.5]);
    const shared = lossOf("cross-entropy:y=t", two(), arrays({ t: [3] }), distributions);
    expect(shared.attached.reads[0]!.allowed).toEqual({ from: 0, to: 1, what: "shares of the classes" });
    const spelled = mirror({ y: ["batch", 3] }, (g, x) => {
      const exp = g.exp(g.sub(x, g.op("ReduceMax", [x, g.ints([1])])));
      return g.div(exp, g.expandLike(g.sum(exp, [1], true), exp));
    });
    expect(lossOf("cross-entropy:y=t", spelled, labels, given([2], [0, 1])).loss).toBeCloseTo((a + b) / 2, 5);
    const shares = { "y.in": nd([2, 3], [0.5, 0.25, 0.25, 0, 1, 0]), t: nd([2], [0, 1], "int64") };
    const half = lossOf("cross-entropy(from=probabilities):y=t", two(), labels, shares).perExample;
    expect(half).toEqual([expect.closeTo(Math.log(2), 6), expect.closeTo(0, 6)]);
    const column = arrays({ t: [1] }, "int64");
    expect(lossOf("cross-entropy:y=t", two(), column, given([2, 1], [0, 1])).loss).toBeCloseTo(
      (a + b) / 2,
      9,
    );
    const oneHot = nd([2, 3], [1, 0, 0, 0, 1, 0]);
    expect(lossOf("cross-entropy:y=t", two(), target, { "y.in": scores, t: oneHot }).loss).toBeCloseTo(
      (a + b) / 2,
      9,
    );
    const softmax = mirror({ y: ["batch", 3] }, (g, x) => g.op("Softmax", [x], { axis: 1 }));
    expect(lossOf("cross-entropy:y=t", softmax, labels, given([2], [0, 1])).loss).toBeCloseTo((a + b) / 2, 5);
    // [batch, tokens, classes]: only the last axis fits labels [batch, tokens].
    const tokens = mirror({ y: ["batch", 2, 3] });
    const scores2 = nd([2, 2, 3], [2, 1, 0, 0, 0, 3, 2, 1, 0, 0, 0, 3]);
    const perToken = lossOf("cross-entropy:y=t", tokens, arrays({ t: [2] }, "int64"), {
      "y.in": scores2,
      t: nd([2, 2], [0, 1, 0, 1], "int64"),
    });
    expect(perToken.loss).toBeCloseTo((a + b) / 2, 9);
    // Smoothing by s adds s · (score of the label − mean score).
    const text = "cross-entropy(smoothing=0.3):y=t";
    for (const smooth of [
      lossOf(text, two(), labels, given([2], [0, 1])),
      lossOf(text, two(), target, { "y.in": scores, t: oneHot }),
    ])
      expect(smooth.perExample).toEqual([expect.closeTo(a + 0.3, 6), expect.closeTo(b - 0.3, 6)]);
  });
  test("a mask may have axes of size 1 that the losses lack", () => {
    // [batch, 3 classes, 2 places] against a mask [batch, 1, 2], as an objectness has
    const scores = nd([1, 3, 2], [2, 0, 1, 0, 0, 3]);
    const t = { t: nd([1, 2], [0, 0], "int64"), m: nd([1, 1, 2], [1, 0]) };
    const known = new Map([...arrays({ t: [2] }, "int64"), ...arrays({ m: [1, 2] })]);
    const { loss } = lossOf("cross-entropy(mask=m):y=t", mirror({ y: ["batch", 3, 2] }), known, {
      "y.in": scores,
      ...t,
    });
    // −log softmax of class 0 among 2, 1, 0
    expect(loss).toBeCloseTo(Math.log(1 + Math.exp(-1) + Math.exp(-2)), 6);
  });
  test("a target may be an input of the model, as for an autoencoder", () => {
    const graph = mirror({ y: ["batch", 3] });
    const { attached, loss } = lossOf("mse:y=y.in", graph, arrays({ "y.in": [3] }), { "y.in": predictions });
    expect([loss, attached.reads]).toEqual([0, []]);
  });
});

describe("what a declaration may not be", () => {
  test.each([
    ["mse", "tasks/bad-declaration", "KIND:OUTPUT=ARRAY"],
    ["mse:y=t + mes:y=t", "tasks/bad-declaration", 'Did you mean "mse"?'],
    ["0*mse:y=t", "tasks/bad-declaration", "factor"],
    ["mse(delta=1):y=t", "tasks/bad-declaration", 'no option "delta"'],
    ["huber(delta=-1):y=t", "tasks/bad-declaration", '"delta" is -1'],
    ["huber(delta):y=t", "tasks/bad-declaration", "OPTION=VALUE"],
    ["bce(from=odds):y=t", "tasks/bad-declaration", "probabilities, logits"],
    ["mse:z=t", "tasks/unknown-output", '"y" float32 [batch, 3]'],
    ["mse:y=targets", "tasks/unknown-array", '"t" float32 [examples, 3]'],
    ["mse:y=t,l1(mask=m):y=t", "tasks/unknown-array", "no comma"],
    ["mse(mask=no):y=t", "tasks/unknown-array", '"no"'],
    ["mse:y=wide", "tasks/loss-shape", "expected [examples, 3]"],
    ["mse:y=flat", "tasks/loss-shape", "[examples]"],
    ["mse(mask=wide):y=t", "tasks/loss-shape", "mask"],
    ["cross-entropy:y=wide", "tasks/loss-shape", "class numbers [examples] or distributions [examples, 3]"],
    ["cross-entropy(axis=0):y=flat", "tasks/bad-declaration", '"axis" is 0'],
    ["cross-entropy:one=column", "tasks/bad-output", "one class"],
    ["mse:rounded=t", "tasks/bad-output", "int64"],
    ["mse:rounded=t", "tasks/bad-output", 'Name "y", the real numbers'],
    ["mse:constant=t", "tasks/bad-output", "expected [batch, …]"],
  ])("%s", (text, code, says) => {
    const graph = two();
    const y = graph.get("y");
    const rounded = new GraphBuilder(graph).op("Cast", [y], { to: 7 }, ["rounded"]);
    const constant = new GraphBuilder(graph).op("ReduceMean", [y], { keepdims: 1 }, ["constant"]);
    const one = new GraphBuilder(graph).op("ReduceMean", [y], { axes: [1], keepdims: 1 }, ["one"]);
    for (const output of [rounded, constant, one]) graph.addOutput(output);
    let error: unknown;
    try {
      attachDeclaredLoss(graph, parseLoss(text), arrays({ t: [3], wide: [4], flat: [], column: [1] }));
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(DiapasonError);
    const { code: found, message, fix } = error as DiapasonError;
    expect(found).toBe(code);
    expect(`${message} ${fix}`).toContain(says);
  });
  test("names may hold what separates terms", () => {
    expect(
      parseLoss("mse:a+b:0=t + 1e-3*l1:/head/Add=x y").map((t) => [t.weight, t.output, t.target]),
    ).toEqual([
      [1, "a+b:0", "t"],
      [1e-3, "/head/Add", "x y"],
    ]);
  });
});

describe("a loss that is a graph", () => {
  /** mean(w · (y − t)²) · scale, with a constant of its own. */
  function squares(
    names: readonly string[],
    build: (g: GraphBuilder, inputs: readonly Value[]) => Value,
  ): Graph {
    const graph = new Graph("loss");
    const inputs = names.map((name) =>
      graph.addInput(name, "float32", name === "weights" ? ["n"] : ["n", "m"]),
    );
    graph.addOutput(build(new GraphBuilder(graph), inputs));
    return graph;
  }
  const plain = (names = ["y", "t"]) =>
    squares(names, (g, [y, t]) => g.mean(g.mul(g.square(g.sub(y!, t!)), 2), [0, 1]));

  test("its inputs are bound by name, its constants stay its own", () => {
    const graph = two();
    const attached = attachLossGraph(graph, plain(), target, "loss.onnx");
    const feeds = new Map(Object.entries({ "y.in": predictions, t: targets }));
    expect(interpret(graph, feeds).get(attached.loss)!.data[0]).toBeCloseTo((2 * 22) / 6, 9);
    expect(attached).toMatchObject({
      weights: undefined,
      outputs: ["y"],
      reads: [{ array: "t", dtype: "float32" }],
    });
    expect(graph.get(attached.loss).shape).toEqual([]);
  });
  test("weights are those of the examples; a result [1, 1] becomes a scalar", () => {
    const weighted = squares(["y", "t", "weights"], (g, [y, t, w]) => {
      const each = g.mean(g.square(g.sub(y!, t!)), [1]);
      return g.unsqueeze(g.div(g.sum(g.mul(w!, each), [0]), g.sum(w!, [0])), [0, 1]);
    });
    const graph = two();
    const { loss, weights } = attachLossGraph(graph, weighted, target, "loss.onnx");
    const feeds = { "y.in": predictions, t: targets, [weights!]: nd([2], [0, 1]) };
    expect(interpret(graph, new Map(Object.entries(feeds))).get(loss)!.data[0]).toBeCloseTo(6, 9);
    expect(graph.get(loss).shape).toEqual([]);
  });
  test("losses of single elements are averaged by what the examples count", () => {
    const graph = two();
    const each = squares(["y", "t"], (g, [y, t]) => g.square(g.sub(y!, t!)));
    const { loss, weights, parts } = attachLossGraph(graph, each, target, "loss.onnx");
    const feeds = { "y.in": predictions, t: targets, [weights!]: nd([2], [0, 1]) };
    const got = interpret(graph, new Map(Object.entries(feeds)));
    expect(got.get(loss)!.data[0]).toBeCloseTo(6, 9);
    expect([...got.get(parts!.perExample)!.data]).toEqual([expect.closeTo(4 / 3, 9), expect.closeTo(6, 9)]);
  });
  test("nodes of the same name as the model's get one of their own", () => {
    const graph = two();
    const loss = new Graph("loss");
    const [y, t] = ["y", "t"].map((name) => loss.addInput(name, "float32", ["n", 3]));
    const [error] = loss.addNode("Sub", [y, t], { name: "/Sub" }).outputs;
    Object.assign(error!, { dtype: "float32", shape: ["n", 3] });
    loss.addOutput(new GraphBuilder(loss).mean(error!, [0, 1]));
    graph.addOutput(graph.addNode("Sub", [graph.get("y"), graph.get("y")], { name: "/Sub" }).outputs[0]!);
    attachLossGraph(graph, loss, target, "loss.onnx");
    const names = graph.nodes.map(({ name }) => name).filter((name) => name !== "");
    expect(names).toContain("loss./Sub");
    expect(new Set(names).size).toBe(names.length);
  });
  test.each([
    [
      "no scalar",
      squares(["y", "t"], (g, [y, t]) => g.sum(g.sub(y!, t!), [0])),
      "tasks/bad-loss-graph",
      "one number of float32 or float64",
    ],
    ["nothing of the model", plain(["t", "t2"]), "tasks/unknown-array", '"t2"'],
    [
      "weights for what is weighed anyway",
      squares(["y", "t", "weights"], (g, [y, t, w]) => g.mul(w!, g.mean(g.sub(y!, t!), [1]))),
      "tasks/bad-loss-graph",
      "weighed by Diapason",
    ],
    ["only the data", plain(["t", "u"]), "tasks/bad-loss-graph", "none of its inputs"],
    ["another width", plain(["y", "u"]), "graph/shape-mismatch", ""],
  ])("refused: %s", (_, loss, code, says) => {
    let error: unknown;
    try {
      attachLossGraph(two(), loss, arrays({ t: [3], u: [4] }), "loss.onnx");
    } catch (thrown) {
      error = thrown;
    }
    expect([(error as DiapasonError).code, (error as Error).message]).toEqual([
      code,
      expect.stringContaining(says),
    ]);
  });
});
