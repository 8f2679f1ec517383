import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inferShapes } from "../graph/infer.ts";
import { Graph, type Value } from "../graph/ir.ts";
import { float32 } from "../graph/tensor.ts";
import { cpuRuntime } from "./cpu.node.ts";
import { learnShapes } from "./probe.ts";
import type { Runtime } from "./runtime.ts";

let runtime: Runtime;
beforeAll(async () => {
  runtime = await cpuRuntime({ threads: 1 });
});
afterAll(() => runtime.dispose());

/** Numbers that inference does not follow: they go through a sine on their way. */
function hidden(graph: Graph, numbers: readonly number[]): Value {
  const angles = graph.addInitializer(
    graph.freshName("angles"),
    float32(
      [numbers.length],
      numbers.map((n) => n / 1000),
    ),
  );
  const sine = graph.addNode("Sin", [angles]).outputs[0]!;
  const angle = graph.addNode("Asin", [sine]).outputs[0]!;
  const thousand = graph.addInitializer(graph.freshName("thousand"), float32([], [1000]));
  const scaled = graph.addNode("Mul", [angle, thousand]).outputs[0]!;
  const rounded = graph.addNode("Round", [scaled]).outputs[0]!;
  const to = { type: "int", value: 7 } as const;
  return graph.addNode("Cast", [rounded], { attributes: [["to", to]] }).outputs[0]!;
}

/** x [batch, 4] reshaped by numbers that inference cannot see. */
function reshaped(numbers: readonly number[]): { readonly graph: Graph; readonly y: Value } {
  const graph = new Graph("reshaped");
  const x = graph.addInput("x", "float32", ["batch", 4]);
  const y = graph.addNode("Reshape", [x, hidden(graph, numbers)], { outputs: ["y"] }).outputs[0]!;
  graph.addOutput(y);
  inferShapes(graph);
  return { graph, y };
}

describe("learnShapes", () => {
  test("dims that stay are numbers, dims that grow with the batch are multiples of it", async () => {
    const { graph, y } = reshaped([-1, 2]);
    expect(y.shape?.[0]).not.toBe("2*batch");
    expect(await learnShapes(graph, runtime)).toBeGreaterThan(0);
    expect(y.shape).toEqual(["2*batch", 2]);
  });

  test("what follows is inferred anew from what was learned", async () => {
    const { graph, y } = reshaped([-1, 2, 2]);
    const padded = graph.addNode("Concat", [y, y], { attributes: [["axis", { type: "int", value: 0 }]] });
    const flat = graph.addNode("Flatten", [padded.outputs[0]]).outputs[0]!;
    inferShapes(graph);
    await learnShapes(graph, runtime);
    expect(flat.shape).toEqual(["2*batch", 4]);
    expect(await learnShapes(graph, runtime)).toBe(0);
  });

  test("a rest beside the batch is kept", async () => {
    const { graph, y } = reshaped([-1, 4]);
    const rows = graph.addInitializer("rows", float32([1, 4], [0, 0, 0, 0]));
    const all = graph.addNode("Concat", [y, rows], { attributes: [["axis", { type: "int", value: 0 }]] });
    await learnShapes(graph, runtime);
    expect(all.outputs[0]!.shape).toEqual(["batch+1", 4]);
  });

  test("dims that depend on the data stay open, with their rank known", async () => {
    const graph = new Graph("positive");
    const x = graph.addInput("x", "float32", ["batch", 40]);
    const zero = graph.addInitializer("zero", float32([], [0]));
    const isPositive = graph.addNode("Greater", [x, zero]).outputs[0]!;
    const places = graph.addNode("NonZero", [isPositive], { outputs: ["places"] }).outputs[0]!;
    graph.addOutput(places);
    inferShapes(graph);
    await learnShapes(graph, runtime);
    expect(places.shape).toEqual([2, expect.stringContaining("places")]);
  });

  test("inputs of every usual type are made up", async () => {
    const graph = new Graph("types");
    const types = ["float32", "float64", "float16", "int64", "int32", "int8", "uint8", "bool"] as const;
    const flats = types.map((dtype) => {
      const x = graph.addInput(dtype, dtype, ["batch", 2]);
      return graph.addNode("Reshape", [x, hidden(graph, [-1])], { outputs: [`flat ${dtype}`] }).outputs[0]!;
    });
    for (const flat of flats) graph.addOutput(flat);
    inferShapes(graph);
    await learnShapes(graph, runtime);
    expect(flats.map((flat) => flat.shape)).toEqual(types.map(() => ["2*batch"]));
  });

  test("a graph that nothing is open in is not run", async () => {
    const graph = new Graph("known");
    const x = graph.addInput("x", "float32", ["batch", 4]);
    graph.addOutput(graph.addNode("Relu", [x]).outputs[0]!);
    inferShapes(graph);
    const idle = { compile: () => expect.fail("it was compiled") } as unknown as Runtime;
    expect(await learnShapes(graph, idle)).toBe(0);
  });

  test("a graph that cannot be run says which shape was wanted, and why it is not known", async () => {
    const { graph } = reshaped([-1, 3]);
    await expect(learnShapes(graph, runtime)).rejects.toMatchObject({
      code: "runtime/unknown-shapes",
      message: expect.stringMatching(/shape of ".+" \(made by Reshape\).*failed: ONNX Runtime failed/),
    });
  });

  test("an input that nothing can be made up for is named", async () => {
    const graph = new Graph("words");
    const words = graph.addInput("words", "string", ["batch"]);
    graph.addOutput(graph.addNode("Reshape", [words, hidden(graph, [1])]).outputs[0]!);
    inferShapes(graph);
    await expect(learnShapes(graph, runtime)).rejects.toMatchObject({
      code: "runtime/unknown-shapes",
      message: expect.stringContaining('the input "words" is string [batch]'),
      fix: expect.stringContaining("Cut the part that reads text off the graph"),
    });
  });
});
