import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { withFrozenRounding } from "../../src/autodiff/frozen-rounding.ts";
import { gradcheck } from "../../src/autodiff/gradcheck.ts";
import { random } from "../../src/base/random.ts";
import { loadOnnx } from "../../src/formats/onnx/file.node.ts";
import { writeOnnx } from "../../src/formats/onnx/writer.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { Graph } from "../../src/graph/ir.ts";
import { interpret, type NdArray, toNdArray } from "../../src/graph/kernels/interpret.ts";
import { ndArray } from "../../src/graph/kernels/nd-array.ts";
import type { DataType } from "../../src/graph/tensor.ts";
import { replaceHead } from "../../src/models/head.ts";
import { loadModel } from "../../src/models/load.node.ts";
import { collectParameters } from "../../src/models/parameters.ts";
import { prepareGraph } from "../../src/models/prepare.ts";

/** Made by tools/fixtures/quantized.py. */
const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/quantized/${name}`, import.meta.url));

interface Fake {
  readonly scale: number;
  readonly zero: number;
  readonly dtype: DataType;
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly y: readonly number[];
  readonly dx: readonly number[];
  readonly ds: number;
}
const { cases } = JSON.parse(readFileSync(fixture("fake.json"), "utf8")) as {
  readonly cases: readonly Fake[];
};

test.each(cases)("fake quantisation gives back what PyTorch's does: $dtype, scale $scale", (row) => {
  const graph = new Graph("fake");
  const x = graph.addInput("x", "float32", [row.x.length]);
  const scale = graph.addInput("scale", "float32", []);
  const g = new GraphBuilder(graph);
  const zero = g.constant([row.zero], row.dtype, []);
  const y = g.op("DequantizeLinear", [g.op("QuantizeLinear", [x, scale, zero]), scale, zero]);
  const loss = g.op("ReduceSum", [g.mul(y, g.constant(row.w))], { keepdims: 0 });
  graph.rename(y, "y");
  graph.rename(loss, "loss");
  graph.addOutput(y);
  graph.addOutput(loss);
  const { graph: backward } = differentiate(graph, { loss: "loss", parameters: ["x", "scale"] });
  const feeds = new Map([
    ["x", ndArray("float32", [row.x.length], row.x)],
    ["scale", ndArray("float32", [], [row.scale])],
  ]);
  const found = interpret(backward, feeds);
  for (const [name, expected] of [
    ["y", row.y],
    ["x.grad", row.dx],
    ["scale.grad", [row.ds]],
  ] as const)
    for (const [i, value] of expected.entries())
      expect(Math.abs(found.get(name)!.data[i]! - value)).toBeLessThan(1e-5 * Math.max(1, Math.abs(value)));
  expect(row.dx).toContain(0);
});

const moving = ["first.weight", "first.bias"];

async function opened(name: string): Promise<{ graph: Graph; feeds: ReadonlyMap<string, NdArray> }> {
  const graph = await loadOnnx(fixture(`${name}.onnx`));
  await prepareGraph(graph);
  const g = new GraphBuilder(graph);
  const weights = g.constant([1, -0.5, 0.25, 0.75, 0.5, -1], "float32", [2, 3]);
  const loss = g.op("ReduceSum", [g.mul(graph.outputs[0]!, weights)], { keepdims: 0 });
  graph.removeOutput(graph.outputs[0]!);
  graph.rename(loss, "loss");
  graph.addOutput(loss);
  const draw = random(5, "x");
  const x = Float64Array.from({ length: 2 * 2 * 8 * 8 }, () => Math.fround(draw.normal()));
  const feeds = new Map([["x", ndArray("float32", [2, 2, 8, 8], x)]]);
  for (const parameter of moving) feeds.set(parameter, toNdArray(graph.get(parameter).constant!));
  return { graph, feeds };
}

describe.each(["qdq", "qoperator", "dynamic"])("what ONNX Runtime's quantizer exports: %s", (name) => {
  test("the layer that stayed float is found to move", async () => {
    const { graph } = await opened(name);
    expect(collectParameters(graph).parameters.map((parameter) => parameter.name)).toEqual(
      expect.arrayContaining(moving),
    );
  });

  test("its gradient passes every quantised layer", async () => {
    const { graph, feeds } = await opened(name);
    const inputs = graph.clone();
    for (const parameter of moving) inputs.initializerToInput(inputs.get(parameter));
    const smooth = withFrozenRounding(inputs, feeds);
    const result = await gradcheck(graph, {
      ...{ loss: "loss", parameters: moving, feeds, samples: 24, symbols: { batch: 2 } },
      evaluate: (given, arrays) => interpret(given.outputs.length === 1 ? smooth : given, arrays),
    });
    expect(result.largestRelativeError).toBeLessThan(1e-6);
  });

  test("is the same through ONNX Runtime in float32", async () => {
    const { graph, feeds } = await opened(name);
    const backward = differentiate(graph, { loss: "loss", parameters: moving, symbols: { batch: 2 } });
    const expected = interpret(backward.graph, feeds);
    const session = await InferenceSession.create(writeOnnx(backward.graph), { logSeverityLevel: 3 });
    const found = await session.run(
      Object.fromEntries(
        [...feeds].map(([key, { dims, data }]) => [
          key,
          new Tensor("float32", Float32Array.from(data), dims),
        ]),
      ),
    );
    for (const output of backward.gradients.values()) {
      const { data } = expected.get(output)!;
      const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      expect(largest).toBeGreaterThan(0.05);
      const actual = [...(found[output]!.data as Float32Array)];
      for (const [i, value] of actual.entries())
        expect(Math.abs(value - data[i]!) / largest).toBeLessThan(1e-4);
    }
  });
});

test("a classifier of whole numbers keeps the head that tells the classes asked for", async () => {
  const folder = mkdtempSync(join(tmpdir(), "diapason-quantized-"));
  mkdirSync(join(folder, "onnx"));
  copyFileSync(fixture("qdq.onnx"), join(folder, "onnx/model.onnx"));
  const id2label = { 0: "a", 1: "b", 2: "c" };
  writeFileSync(join(folder, "config.json"), JSON.stringify({ model_type: "resnet", id2label }));
  const model = await loadModel(folder, { whole: true });
  expect(model.labels).toEqual(["a", "b", "c"]);
  const kept = replaceHead(model, { labels: ["a", "b", "c"], seed: 0 });
  expect(kept.graph.nodes.map(({ op }) => op)).toEqual(model.graph.nodes.map(({ op }) => op));
  const other = replaceHead(model, { labels: ["a", "c", "b"], seed: 0 });
  expect(other.parameters.map(({ name }) => name)).toContain("head.weight");
  rmSync(folder, { recursive: true });
});
