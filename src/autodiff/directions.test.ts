import { expect, test } from "vitest";
import { GraphBuilder } from "../graph/builder.ts";
import { inferShapes } from "../graph/infer.ts";
import { Graph, type Value } from "../graph/ir.ts";
import { float32 } from "../graph/tensor.ts";
import { gradcheck } from "./gradcheck.ts";

const width = 24;
const numbers = (size: number, seed: number, scale = 1) =>
  Float32Array.from({ length: size }, (_, i) => scale * Math.sin(seed + i * i));

/** Layers whose weights differ in size a thousandfold; `bend` is what lies between two. */
function networkOf(
  bend: (g: GraphBuilder, x: Value, layer: number) => Value,
  scales: readonly number[],
): Graph {
  const graph = new Graph("network");
  const g = new GraphBuilder(graph);
  let x: Value = graph.addInitializer("x", float32([8, width], numbers(8 * width, 5)));
  for (const [layer, scale] of scales.entries()) {
    const weights = float32([width, width], numbers(width * width, layer, 0.3));
    const w = graph.addInitializer(`w${layer}`, weights);
    const small = graph.addInitializer(`b${layer}`, float32([width], numbers(width, layer + 50, scale)));
    x = bend(g, g.add(g.matmul(x, w), small), layer);
  }
  const loss = g.sum(g.mul(x, graph.addInitializer("out", float32([width], numbers(width, 9)))), [0, 1]);
  graph.rename(loss, "loss");
  graph.addOutput(loss);
  inferShapes(graph);
  return graph;
}

const parametersOf = (graph: Graph) =>
  [...graph.initializers].map(({ name }) => name).filter((name) => /^[wb]\d/.test(name));
const check = (graph: Graph, parameters = parametersOf(graph)) =>
  gradcheck(graph, { loss: "loss", parameters, feeds: new Map(), effort: 0 });
const scales = [1, 1e-3, 1e-6, 1];

test.each(["Tanh", "Relu", "Sigmoid"] as const)(
  "all weights of a network with %s are judged along one direction",
  async (op) => {
    const result = await check(networkOf((g, x) => g.op(op, [x]), scales));
    expect(result).toMatchObject({ verdict: "right", directions: 1 });
    expect(result.parameters.map(({ samples }) => samples)).toEqual(
      scales.flatMap(() => [width * width, width]),
    );
    expect(result.parameters.some(({ resolution = 1 }) => resolution >= 1)).toBe(false);
  },
);

test("where one gradient is wrong its parameters are named, and no others", async () => {
  // a gradient is blind to the gates of the third layer
  const graph = networkOf((g, x, layer) => {
    const gate = g.op("Sigmoid", [x]);
    gate.detached = layer === 2;
    return g.op("Tanh", [g.mul(x, gate)]);
  }, scales);
  const { verdict, parameters } = await check(graph);
  expect(verdict).toBe("wrong");
  const wrong = parameters.filter(({ largestRelativeError }) => largestRelativeError > 1e-4);
  // what lies below it goes through it, too
  expect(wrong.map(({ name }) => name)).toEqual(["w0", "b0", "w1", "b1", "w2", "b2"]);
});

test("a parameter that moves the loss is not right without a gradient", async () => {
  const graph = networkOf((g, x, layer) => {
    if (layer !== 1) return g.op("Tanh", [x]);
    const blind = g.op("Tanh", [x]);
    blind.detached = true;
    return g.add(blind, g.mul(x, g.constant([0])));
  }, scales);
  const { verdict, parameters } = await check(graph, ["w0", "b1", "w3"]);
  expect(verdict).toBe("wrong");
  expect(parameters.map(({ name, largestRelativeError }) => [name, largestRelativeError > 1e-4])).toEqual([
    ["w0", true],
    ["b1", true],
    ["w3", false],
  ]);
});

test("what does less to the loss than rounding is said to show nothing", async () => {
  const graph = networkOf((g, x) => g.op("Tanh", [x]), scales);
  const g = new GraphBuilder(graph);
  const faint = graph.addInitializer("b9", float32([1], [0.5]));
  const whole = g.add(graph.get("loss"), g.mul(g.sum(g.op("Tanh", [faint]), [0]), g.constant([1e-18])));
  graph.addOutput(whole);
  const { parameters } = await gradcheck(graph, {
    loss: whole.name,
    parameters: ["w0", "b9"],
    feeds: new Map(),
    effort: 0,
  });
  expect(parameters.map(({ name, resolution = 0 }) => [name, resolution >= 1])).toEqual([
    ["w0", false],
    ["b9", true],
  ]);
});

test("rounding on the way to the loss is not taken for a wrong gradient", async () => {
  const graph = new Graph("offset");
  const g = new GraphBuilder(graph);
  const size = 4096;
  const x = graph.addInitializer("x", float32([size, width], numbers(size * width, 5)));
  const w = graph.addInitializer("w0", float32([width, width], numbers(width * width, 1, 0.3)));
  const faint = g.mul(g.op("Tanh", [g.matmul(x, w)]), g.constant([1e-8]));
  // as a detector's boxes stand in pixels: a tiny step changes less than the spacing of such numbers
  const boxes = g.add(faint, g.constant([640]));
  const half = numbers(width / 2, 9);
  const out = float32([width], Float32Array.of(...half, ...half.map((value) => -0.999 * value)));
  const loss = g.sum(g.mul(boxes, graph.addInitializer("out", out)), [0, 1]);
  graph.rename(loss, "loss");
  graph.addOutput(loss);
  inferShapes(graph);
  const { verdict, parameters } = await check(graph);
  expect(verdict).toBe("right");
  expect(parameters[0]!.resolution).toBeGreaterThan(1e-3);
  expect(parameters[0]!.resolution).toBeLessThan(1);
});
