import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fromFloat16, toFloat16 } from "../../src/base/half.ts";
import { random } from "../../src/base/random.ts";
import { loadOnnx, saveOnnx } from "../../src/formats/onnx/file.node.ts";
import { loadSafetensors } from "../../src/formats/safetensors.node.ts";
import { numberOf } from "../../src/graph/element-types.ts";
import { Graph, type Value } from "../../src/graph/ir.ts";
import { asStored, roundToStored } from "../../src/graph/passes/stored-types.ts";
import { type DataType, float32, sizeOf } from "../../src/graph/tensor.ts";
import { evaluate, type Saved, tune } from "../../src/index.ts";
import { describeModel } from "../../src/models/describe.ts";
import { loadModel } from "../../src/models/load.node.ts";
import { saveModel } from "../../src/models/save.node.ts";
import { cpuRuntime } from "../../src/runtime/cpu.node.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { imageClassification } from "../../src/tasks/image-classification.ts";
import { tuneLoop } from "../../src/tune/loop.ts";
import { planOf } from "../../src/tune/plans.ts";
import { withValues } from "../../src/tune/program.ts";
import { assets, haveAssets } from "../assets.ts";
import { tinyData } from "../tune/tiny-problem.ts";

// From Node 24 on onnxruntime-common would wrap float16 in this class, which onnxruntime-node 1.30 takes for an empty array.
Reflect.deleteProperty(globalThis, "Float16Array");

const folder = mkdtempSync(join(tmpdir(), "diapason-half-"));
let runtime: Runtime;
beforeAll(async () => {
  runtime = await cpuRuntime({ threads: 1 });
});
afterAll(async () => {
  await runtime.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** Two layers of half precision with a part of float32 between them, as exporters leave normalisations: x to logits. */
function mixedGraph(dtype: DataType): Graph {
  const graph = new Graph("mixed");
  const weight = (name: string, dims: readonly number[]) => {
    const draw = random(3, name);
    const values = Float32Array.from({ length: sizeOf(dims) }, () => 0.4 * draw.normal());
    return graph.addInitializer(name, asStored(float32(dims, values), dtype));
  };
  const to = (type: DataType) => [["to", { type: "int", value: numberOf(type) }] as const];
  const op = (name: string, inputs: readonly Value[], output?: string) =>
    graph.addNode(name, inputs, output ? { outputs: [output] } : {}).outputs[0]!;
  const x = graph.addInput("x", dtype, ["batch", 4]);
  const first = op("Tanh", [
    op("Add", [op("MatMul", [x, weight("first.weight", [4, 6])]), weight("first.bias", [6])]),
  ]);
  const wide = graph.addNode("Cast", [first], { attributes: to("float32") }).outputs[0]!;
  const gain = graph.addInitializer("gain.weight", float32([6], [1, 0.9, 1.1, 1.2, 0.8, 1 / 3]));
  const back = graph.addNode("Cast", [op("Mul", [wide, gain])], { attributes: to(dtype) }).outputs[0]!;
  const sum = op("MatMul", [back, weight("head.weight", [6, 3])]);
  const logits = op("Add", [sum, weight("head.bias", [3])], "logits");
  logits.dtype = dtype;
  logits.shape = ["batch", 3];
  graph.addOutput(logits);
  return graph;
}

const bytesOf = (value: Value) => [value.dtype, Buffer.from(value.constant!.data.read()).toString("base64")];

async function logitsOf(path: string, x: readonly number[]): Promise<number[]> {
  const session = await InferenceSession.create(path, { logSeverityLevel: 3 });
  const feed = new Tensor("float16", Uint16Array.from(x, toFloat16), [x.length / 4, 4]);
  const { logits } = await session.run({ x: feed });
  return Array.from(new Uint16Array((logits!.data as Uint16Array).buffer.slice(0)), fromFloat16);
}

/** Trains a model's blocks for a few steps from its file and writes it to another; the path of that one's graph. */
async function tunedFile(path: string, plan: "head" | "full", out: string): Promise<string> {
  const model = await loadModel(path, { images: false });
  const graph = model.graph.clone();
  const { loss } = imageClassification.attachLoss(graph, graph.get(model.output.name));
  const { parameters, blocks } = model;
  const run = tuneLoop({
    model: { graph, loss, outputs: [model.output.name], parameters, blocks },
    plan: planOf(plan, blocks, { epochs: 6, learningRate: 0.05 }),
    data: tinyData(32),
    runtime,
    seed: 3,
    batchSize: 8,
  });
  const losses: number[] = [];
  for (;;) {
    const { done, value } = await run.next();
    if (done) {
      const tuned = roundToStored(withValues(model.graph, value.values));
      await saveModel(describeModel({ ...model, graph: tuned, inputName: "x" }), out, { keepNames: true });
      break;
    }
    if (value.type === "step") losses.push(value.loss);
  }
  expect(losses.at(-1)).toBeLessThan(losses[0]!);
  return join(out, "onnx", "model.onnx");
}

describe.each(["float16", "bfloat16"] as const)("a graph of %s", (dtype) => {
  const path = join(folder, `${dtype}.onnx`);
  beforeAll(() => saveOnnx(mixedGraph(dtype), path));

  test("computes in float32 when it is loaded, and what it had is written back bit by bit", async () => {
    const model = await loadModel(path, { images: false });
    expect(model.parameters.map(({ name }) => name)).toEqual([
      "first.weight",
      "first.bias",
      "gain.weight",
      "head.weight",
      "head.bias",
    ]);
    expect([...model.graph.inputs, ...model.graph.initializers].map((value) => value.dtype)).not.toContain(
      dtype,
    );
    expect(model.notes.join(" ")).toContain(dtype);
    const out = join(folder, `${dtype}-same`);
    await saveModel(model, out, { keepNames: true });
    const [before, after] = [await loadOnnx(path), await loadOnnx(join(out, "onnx", "model.onnx"))];
    for (const value of before.initializers) expect(bytesOf(after.get(value.name))).toEqual(bytesOf(value));
    expect(after.get("gain.weight").dtype).toBe("float32");
    expect([after.get("x").dtype, after.get("logits").dtype]).toEqual([dtype, dtype]);
    expect(after.nodes.map(({ op }) => op)).toEqual(before.nodes.map(({ op }) => op));
    const casts = after.nodes
      .filter(({ op }) => op === "Cast")
      .map((node) => node.attributes.get("to")!.value);
    expect(casts.map(Number)).toEqual([numberOf("float32"), numberOf(dtype)]);
    const { tensors } = await loadSafetensors(join(out, "model.safetensors"));
    expect(tensors.get("first.weight")!.dtype).toBe(dtype);
  });

  test("head alone: what does not move keeps its bits, what moves has the file's type", async () => {
    const after = await loadOnnx(await tunedFile(path, "head", join(folder, `${dtype}-head`)));
    const before = await loadOnnx(path);
    const changed = [...before.initializers].filter(
      (value) => bytesOf(after.get(value.name))[1] !== bytesOf(value)[1],
    );
    expect(changed.map(({ name }) => name).sort()).toEqual(["head.bias", "head.weight"]);
    for (const value of before.initializers) expect(after.get(value.name).dtype).toBe(value.dtype);
  });

  // bfloat16 has no MatMul among ONNX Runtime's kernels for a CPU
  test.skipIf(dtype === "bfloat16")("everything moves; ONNX Runtime runs what is written", async () => {
    const tuned = await tunedFile(path, "full", join(folder, `${dtype}-full`));
    const x = [0.5, -1, 0.25, 2, 1, 1, -0.5, 0];
    const [before, after] = [await logitsOf(path, x), await logitsOf(tuned, x)];
    expect(after.some((value, i) => Math.abs(value - before[i]!) > 0.05)).toBe(true);
    const model = await loadModel(tuned, { images: false });
    const executable = await runtime.compile(model.graph);
    const { logits } = await executable.run({
      x: { dtype: "float32", dims: [2, 4], data: Float32Array.from(x) },
    });
    const inFloat32 = [...(logits!.data as Float32Array)];
    for (const [i, value] of after.entries()) expect(Math.abs(value - inFloat32[i]!)).toBeLessThan(4e-3);
    await executable.dispose();
  });
});

describe.skipIf(!haveAssets)("a ResNet in float16 (skipped without the real models and data)", () => {
  test("a new head for it is of its type; what is written is what was judged", {
    timeout: 240_000,
  }, async () => {
    const source = await loadModel(assets("models/resnet20-cifar10/onnx/model.onnx"));
    for (const value of [...source.graph.inputs, ...source.graph.initializers])
      if (value.dtype === "float32") value.storedType = "float16";
    for (const node of source.graph.nodes)
      for (const output of node.outputs) if (output?.dtype === "float32") output.storedType = "float16";
    roundToStored(source.graph);
    const half = join(folder, "resnet20-half");
    await saveModel(source, half);
    let saved: Saved | undefined;
    const data = assets("data/pneumonia-xray");
    const out = join(folder, "tuned");
    const options = { model: half, data, out, run: join(folder, "run"), limitPerClass: 96, epochs: 3 };
    for await (const event of tune({ ...options, plan: "head", learningRate: 1e-2, augment: "none" }))
      if (event.type === "saved") saved = event;
    expect(saved!.after.accuracy).toBeGreaterThan(0.7);
    for await (const event of evaluate({ model: out, data }))
      if (event.type === "evaluated") expect(event.metrics.accuracy).toBe(saved!.after.accuracy);
    const [before, after] = await Promise.all(
      [half, out].map((path) => loadOnnx(join(path, "onnx", "model.onnx"))),
    );
    const weights = [...after!.initializers].filter((value) => value.dtype?.startsWith("float"));
    expect(weights.length).toBeGreaterThan(50);
    expect(new Set(weights.map((value) => value.dtype))).toEqual(new Set(["float16"]));
    const changed = weights.filter(
      (value) =>
        !before!.find(value.name)?.constant || bytesOf(before!.get(value.name))[1] !== bytesOf(value)[1],
    );
    expect(changed.map(({ name }) => name).sort()).toEqual(["linear.bias", "linear.weight"]);
    const session = await InferenceSession.create(join(out, "onnx", "model.onnx"));
    const pixels = new Tensor(
      "float16",
      new Uint16Array(2 * 3 * 32 * 32).fill(toFloat16(0.5)),
      [2, 3, 32, 32],
    );
    const { logits } = await session.run({ pixel_values: pixels });
    expect([logits!.type, logits!.dims]).toEqual(["float16", [2, 2]]);
  });
});
