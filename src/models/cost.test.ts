import { describe, expect, test } from "vitest";
import { Graph, type Value } from "../graph/ir.ts";
import { float32, sizeOf } from "../graph/tensor.ts";
import { forwardFlops, residentBytes, stepFlops, stepMemory } from "./cost.ts";
import { describeModel } from "./describe.ts";

const zeros = (...dims: number[]) => float32(dims, new Float32Array(sizeOf(dims)));

/** conv 3→8 (3×3, 16×16) – relu – mean – linear 8→5 */
function network() {
  const graph = new Graph("network");
  const x = graph.addInput("x", "float32", ["batch", 3, 16, 16]);
  const add = (name: string, inputs: (Value | undefined)[], shape: (string | number)[]) => {
    const value = graph.addNode(name, inputs).outputs[0]!;
    [value.shape, value.dtype] = [shape, "float32"];
    return value;
  };
  const kernel = graph.addInitializer("conv.weight", zeros(8, 3, 3, 3));
  const y = add("Conv", [x, kernel], ["batch", 8, 16, 16]);
  const z = add("Relu", [y], ["batch", 8, 16, 16]);
  const features = add("ReduceMean", [z], ["batch", 8]);
  graph.addOutput(
    add("MatMul", [features, graph.addInitializer("linear.weight", zeros(8, 5))], ["batch", 5]),
  );
  return describeModel({
    graph,
    inputName: "x",
    labels: undefined,
    notes: [],
    config: {},
    source: "test",
    transposed: new Set(),
  });
}
const conv = 2 * 8 * 16 * 16 * 27;
const linear = 2 * 8 * 5;
const image = 8 * 16 * 16 * 4;

describe("operations", () => {
  test("forward, one example: two for each multiply-add", () =>
    expect(forwardFlops(network())).toBe(conv + linear));
  test("head only: one product backward, for its weight", () =>
    expect(stepFlops(network(), new Set(["linear.weight"]), 4)).toEqual({
      forward: 4 * (conv + linear),
      backward: 4 * linear,
    }));
  test("everything: both factors of the head, the kernel alone at the input", () =>
    expect(stepFlops(network(), new Set(["linear.weight", "conv.weight"]), 4).backward).toBe(
      4 * (conv + 2 * linear),
    ));
});

test("a recurrent layer, an If by its costliest branch, and what no input of that size gives", () => {
  const graph = new Graph("odd");
  const x = graph.addInput("x", "float32", ["steps", "batch", 3]);
  const weights = [zeros(1, 8, 3), zeros(1, 8, 2)].map((w, i) => graph.addInitializer(`w${i}`, w));
  const y = graph.addNode("LSTM", [x, ...weights]).outputs[0]!;
  [y.shape, y.dtype] = [["steps", 1, "batch", 2], "float32"];
  const branch = (name: string, width: number) => {
    const body = new Graph(name, graph.opsets, graph);
    const product = body.addNode("MatMul", [y, body.addInitializer(`${name}.w`, zeros(2, width))])
      .outputs[0]!;
    [product.shape, product.dtype] = [["steps-4", 1, "batch", width], "float32"];
    body.addOutput(product);
    return { type: "graph", value: body } as const;
  };
  const condition = graph.addInput("c", "bool", []);
  const attributes = [
    ["then_branch", branch("then", 5)],
    ["else_branch", branch("else", 7)],
  ] as const;
  const out = graph.addNode("If", [condition], { attributes }).outputs[0]!;
  [out.shape, out.dtype] = [undefined, "float32"];
  graph.addOutput(out);
  const { config, ...rest } = network();
  const model = { ...rest, config, graph, input: x, output: out, parameters: [], blocks: [] };
  const long = { ...model, usualSizes: new Map([["steps", 6]]) };
  const lstm = 2 * (8 * 3 + 8 * 2);
  expect(forwardFlops(long)).toBe(6 * lstm + 2 * 2 * 7 * 2);
  expect(forwardFlops(model)).toBe(lstm);
});

describe("memory", () => {
  test("head only keeps its features and nothing below", () => {
    const memory = stepMemory(network(), new Set(["linear.weight"]), 2);
    expect(memory.kept).toBe(2 * 8 * 4);
    expect(memory.moving).toBe(16 * 40);
    expect(memory.frozen).toBe(4 * 216);
    // Relu's input and output together are the largest moment of the forward pass.
    expect(memory.transient).toBe(2 * 2 * image - memory.kept);
    expect(memory.total).toBe(memory.moving + memory.frozen + memory.kept + memory.transient);
  });
  test("resident are sessions, weights, once the file of frozen ones, and the gaps that the arena leaves", () => {
    const memory = stepMemory(network(), new Set(["linear.weight"]), 2);
    const { frozen, moving, kept, transient } = memory;
    const session = 70e6 + frozen + 1.25 * (moving + kept) + 1.6 * transient;
    expect(residentBytes([memory])).toBeCloseTo(session + frozen);
    expect(residentBytes([memory, memory])).toBeCloseTo(2 * session + frozen);
  });
  test("everything keeps the image, the ReLU's output and the features", () =>
    expect(stepMemory(network(), new Set(["linear.weight", "conv.weight"]), 2).kept).toBe(
      2 * (3 * 16 * 16 * 4 + image + 8 * 4),
    ));
});

test("a frozen head keeps nothing of its own: its weight does not need the features", () =>
  expect(stepMemory(network(), new Set(["conv.weight"]), 2).kept).toBe(2 * (3 * 16 * 16 * 4 + image)));

test("an image of open size is counted at 224 pixels, not at one", () => {
  const model = network();
  const [x] = model.graph.inputs;
  const y = model.graph.nodes[0]!.outputs[0]!;
  x!.shape = ["batch", 3, "height", "width"];
  y.shape = ["batch", 8, "height", "width"];
  expect(forwardFlops(model)).toBe(2 * 8 * 224 * 224 * 27 + linear);
});
