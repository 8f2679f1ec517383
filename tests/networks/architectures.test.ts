import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { writeOnnx } from "../../src/formats/onnx/writer.ts";
import { loadSafetensors } from "../../src/formats/safetensors.node.ts";
import { GraphBuilder, rankOf } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/ir.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { openNetwork } from "../../src/models/open-network.node.ts";

const root = fileURLToPath(new URL("../fixtures/architectures", import.meta.url));
const folders = readdirSync(root).sort();

const floats = ({ data }: Tensor) => new Float32Array(Uint8Array.from(data.read()).buffer);
const words = ({ data }: Tensor) => new BigInt64Array(Uint8Array.from(data.read()).buffer);

const feedOf = (tensor: Tensor) =>
  tensor.dtype === "int64"
    ? new OrtTensor("int64", words(tensor), tensor.dims)
    : new OrtTensor("float32", floats(tensor), tensor.dims);

/** The mean cross-entropy of the last axis of the output, as tools/fixtures/architectures/record.py has it. */
function withLoss(graph: Graph, name: string): void {
  const g = new GraphBuilder(graph);
  const output = graph.get(name);
  const labels = graph.addInput("labels", "int64", output.shape!.slice(0, -1));
  const classes = output.shape!.at(-1)!;
  const rows = g.op("Reshape", [output, g.concat([g.ints([-1]), g.sizeOf(output, rankOf(output) - 1)], 0)]);
  if (typeof classes === "number") rows.shape = [rows.shape?.[0] ?? "rows", classes];
  const flat = g.reshape(labels, [-1]);
  const loss = g.op("SoftmaxCrossEntropyLoss", [rows, flat], { reduction: "mean", ignore_index: -100 }, [
    "loss",
  ]);
  graph.addOutput(loss);
}

describe.each(folders)("%s", (name) => {
  test("gives transformers' output, loss and gradients", async () => {
    const { tensors: reference, metadata } = await loadSafetensors(`${root}/${name}/reference.safetensors`);
    // Gradients of convolutions need the size of images, which some configs do not say.
    const [height, width] = reference.get("input.pixel_values")?.dims.slice(2) ?? [];
    const imageSize = height && width ? ([height, width] as const) : undefined;
    const model = await openNetwork(`${root}/${name}`, { seed: 0, imageSize });
    const output = metadata.get("output")!;
    expect(model.graph.outputs.map((value) => value.name)).toContain(output);
    if (!reference.has("output.last_hidden_state")) expect(model.output.name).toBe(output);
    const graph = model.graph.clone();
    withLoss(graph, output);
    const wanted = [...reference.keys()].filter((key) => key.startsWith("grad."));
    const parameters = model.parameters.map((parameter) => parameter.name);
    expect(parameters.map((parameter) => `grad.${parameter}`).sort()).toEqual(wanted.sort());
    const backward = differentiate(graph, { loss: "loss", parameters });
    const session = await InferenceSession.create(writeOnnx(backward.graph), { logSeverityLevel: 3 });
    const feeds = backward.graph.inputs.map(({ name: input }) => {
      const given = reference.get(`input.${input}`) ?? reference.get(input);
      return [input, feedOf(given ?? graph.get(input).constant!)] as const;
    });
    const found = await session.run(Object.fromEntries(feeds));
    const [expected] = floats(reference.get("loss")!);
    expect(Math.abs((found["loss"]!.data[0] as number) / expected! - 1)).toBeLessThan(1e-4);
    // The gradient of a bias of keys, or of all scores alike, is 0 in exact arithmetic: it comes out as what others leave in rounding.
    const largest = wanted.reduce((most, key) => floats(reference.get(key)!).reduce(greater, most), 0);
    const rounding = Math.max(1e-5, 1e-3 * largest);
    for (const key of wanted) {
      const gradient = found[backward.gradients.get(key.slice("grad.".length))!]!;
      const { dims } = reference.get(key)!;
      expect(gradient.dims, key).toEqual(dims);
      const zero = isNoGradient.test(key) ? rounding : 1e-5;
      const error = relativeError(gradient.data as Float32Array, floats(reference.get(key)!), zero);
      expect(error, key).toBeLessThan(1e-3);
    }
    const inference = await InferenceSession.create(writeOnnx(model.graph), { logSeverityLevel: 3 });
    const inputs = model.graph.inputs.map(({ name: input }) => [
      input,
      feedOf(reference.get(`input.${input}`)!),
    ]);
    const result = await inference.run(Object.fromEntries(inputs));
    for (const { name: output } of model.graph.outputs) {
      const expected = reference.get(`output.${output}`) ?? reference.get("output")!;
      expect(relativeError(result[output]!.data as Float32Array, floats(expected)), output).toBeLessThan(
        1e-4,
      );
    }
  });

  test("every weight is in one block, and the checkpoint's names are all there", async () => {
    const model = await openNetwork(`${root}/${name}`, { seed: 0 });
    const inBlocks = model.blocks.flatMap((block) => block.parameters);
    expect([...inBlocks].sort()).toEqual(model.parameters.map((parameter) => parameter.name).sort());
    expect(model.network!.fresh.size).toBe(0);
    expect(model.notes).toEqual([]);
  });
});

/** Parameters that softmax, or a loss over rows, leaves without an effect. */
const isNoGradient = /(?:\.k_proj|\.key)\.bias$|^grad\.logit_bias$/;

const greater = (most: number, value: number) => Math.max(most, Math.abs(value));

/** Largest difference relative to the largest expected number, which counts as `zero` where it is less. */
function relativeError(actual: Float32Array, expected: Float32Array, zero = 1e-5): number {
  const largest = expected.reduce(greater, zero);
  return actual.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0) / largest;
}
