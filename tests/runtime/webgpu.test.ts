import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { readOnnx } from "../../src/formats/onnx/reader.ts";
import { loadSafetensors } from "../../src/formats/safetensors.node.ts";
import { Graph } from "../../src/graph/ir.ts";
import { foldSequences } from "../../src/graph/passes/fold-sequences.ts";
import { normalize } from "../../src/graph/passes/normalize.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import type { HostTensor, ParameterStore, Runtime } from "../../src/runtime/runtime.ts";
import { caught, describeRuntime, floats } from "../conformance/runtime.ts";
import { type OptimizerCase, optimizerReference } from "../tune/optimizer-reference.ts";
import { openWebGpu, whyNoWebGpu } from "./gpu.ts";

const reason = await whyNoWebGpu();

describe.skipIf(reason)(`WebGPU${reason ? ` (skipped: ${reason})` : ""}`, () => {
  describeRuntime("webgpu", openWebGpu, { float64: "WebGPU has no 64-bit floating point" });

  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await openWebGpu();
  });
  afterAll(() => runtime.dispose());

  describe("networks: loss and gradients equal PyTorch's, without the CPU's help", () =>
    describeNetworks(() => runtime));
  describe("optimizers as graphs equal torch.optim", () => {
    test.each(optimizerReference.cases)("$name", (row) => compareOptimizer(runtime, row));
  });

  describe("what the device lacks", () => {
    test("is named before anything runs", async () => {
      expect(await caught(runtime.compile(determinants()))).toMatchObject({
        code: "runtime/no-kernel",
        message: 'The device "webgpu" has no implementation of Det (2 nodes) for the types of this graph.',
        fix: expect.stringContaining("--cpu-fallback"),
      });
    });

    test("runs on the CPU where that is asked for", async () => {
      const helped = await openWebGpu({ cpuFallback: true });
      const executable = await helped.compile(determinants());
      const x = floats([2, 2], [1, 2, 3, 5]);
      expect([...(await executable.run({ x }))["y"]!.data]).toEqual([expect.closeTo(-1 - 4, 5)]);
      await helped.dispose();
    });
  });
});

/** y = det(x) + det(2 · x). */
function determinants(): Graph {
  const graph = new Graph("determinants");
  const x = graph.addInput("x", "float32", [2, 2]);
  const twice = graph.addNode("Add", [x, x]).outputs[0]!;
  const both = [x, twice].map((value) => graph.addNode("Det", [value]).outputs[0]!);
  graph.addOutput(graph.addNode("Add", both, { outputs: ["y"] }).outputs[0]!);
  return graph;
}

const arrayOf = ({ dtype, dims, data }: Tensor): HostTensor => {
  const { buffer } = data.read().slice();
  return { dtype, dims, data: dtype === "int64" ? new BigInt64Array(buffer) : new Float32Array(buffer) };
};

/** Between them: attention, convolutions, statistics of the batch, positions of maxima, rotary positions. */
function describeNetworks(runtime: () => Runtime): void {
  test.each(["encoder", "vit", "resnet", "resnet-batch-statistics", "unet", "llama"])("%s", async (name) => {
    const path = new URL(`../fixtures/networks/${name}`, import.meta.url).pathname;
    const source = readOnnx(Uint8Array.from(readFileSync(`${path}.onnx`)));
    normalize(source);
    foldSequences(source);
    const { tensors } = await loadSafetensors(`${path}.safetensors`);
    const parameters = [...tensors.keys()]
      .filter((key) => key.startsWith("grad."))
      .map((key) => key.slice("grad.".length));
    expect(parameters.length).toBeGreaterThan(4);
    const { graph, gradients } = differentiate(source, { loss: "loss", parameters });
    const store = await runtime().store(
      parameters.map((parameter) => {
        const { dims, data } = arrayOf(source.get(parameter).constant!);
        return { name: parameter, dims, value: data as Float32Array, kind: "parameter" as const };
      }),
    );
    const executable = await runtime().compile(graph, { store, gradients, purpose: "training" });
    const fed = graph.inputs.filter((input) => !parameters.includes(input.name));
    const feeds = Object.fromEntries(
      fed.map((input) => [input.name, arrayOf(tensors.get(`input.${input.name}`)!)]),
    );
    const { loss } = await executable.run(feeds, { outputs: ["loss"] });
    const expected = arrayOf(tensors.get("loss")!).data[0] as number;
    expect(Math.abs((loss!.data[0] as number) / expected - 1)).toBeLessThan(1e-5);
    for (const parameter of parameters) {
      const wanted = arrayOf(tensors.get(`grad.${parameter}`)!).data as Float32Array;
      const found = await store.read(parameter, "gradient");
      const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-5);
      const worst = found.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i]!)), 0);
      expect(worst / largest, parameter).toBeLessThan(1e-4);
    }
    await executable.dispose();
    await store.dispose();
  });
}

async function compareOptimizer(runtime: Runtime, row: OptimizerCase): Promise<void> {
  const { start, gradients } = optimizerReference;
  const names = start.map((_, i) => `p${i}`);
  const store: ParameterStore = await runtime.store(
    start.map((value, i) => ({
      name: names[i]!,
      dims: [value.length],
      value: Float32Array.from(value),
      kind: "parameter" as const,
    })),
  );
  const executable = await given(
    runtime,
    store,
    start.map((value) => value.length),
  );
  let compared = 0;
  for (const [step, each] of gradients.entries()) {
    await executable.run(Object.fromEntries(each.map((g, i) => [`g${i}`, floats([g.length], g)])));
    const moving = names.slice(row.thaw !== null && step < row.thaw ? 1 : 0);
    const { gradientNorm, applied } = await store.update({
      optimizer: row.optimizer,
      updates: moving.map((name) => ({ name, rate: row.rate, weightDecay: row.weightDecay })),
      gradientScale: row.scale,
      ...(row.clipNorm === null ? {} : { clipNorm: row.clipNorm }),
    });
    expect(applied).toBe(true);
    expect(Math.abs(gradientNorm / row.norms[step]! - 1)).toBeLessThan(1e-5);
    for (const [i, expected] of (row.after[step + 1] ?? []).entries()) {
      const found = await store.read(names[i]!, "value");
      const worst = Math.max(...expected.map((x, j) => Math.abs(x - found[j]!)));
      // WGSL allows a division and a root a few units in the last place.
      expect(worst, `${names[i]} after step ${step + 1}`).toBeLessThan(1e-6);
      compared++;
    }
  }
  expect(compared).toBe(3 * names.length);
  await executable.dispose();
  await store.dispose();
}

/** A graph whose gradients are what it is fed. */
function given(runtime: Runtime, store: ParameterStore, sizes: readonly number[]) {
  const graph = new Graph("given gradients");
  for (const [i, size] of sizes.entries()) {
    const fed = graph.addInput(`g${i}`, "float32", [size]);
    graph.addOutput(graph.addNode("Identity", [fed], { outputs: [`d${i}`] }).outputs[0]!);
  }
  return runtime.compile(graph, { store, gradients: new Map(sizes.map((_, i) => [`p${i}`, `d${i}`])) });
}
