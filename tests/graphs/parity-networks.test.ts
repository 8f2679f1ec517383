import { readFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { readOnnx } from "../../src/formats/onnx/reader.ts";
import { writeOnnx } from "../../src/formats/onnx/writer.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { foldSequences } from "../../src/graph/passes/fold-sequences.ts";
import { normalize } from "../../src/graph/passes/normalize.ts";
import { collectParameters } from "../../src/models/parameters.ts";

interface Stored {
  readonly dtype: "float32" | "int64";
  readonly dims: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

const fixture = (name: string) =>
  Uint8Array.from(readFileSync(new URL(`../fixtures/networks/${name}`, import.meta.url)));

function reference(name: string): ReadonlyMap<string, Stored> {
  const bytes = fixture(`${name}.safetensors`);
  const headerBytes = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> =
    JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerBytes)));
  const tensors = Object.entries(header).filter(([key]) => key !== "__metadata__");
  return new Map(
    tensors.map(([key, { dtype, shape, data_offsets }]): [string, Stored] => {
      const { buffer } = bytes.slice(8 + headerBytes + data_offsets[0], 8 + headerBytes + data_offsets[1]);
      if (dtype === "I64") return [key, { dtype: "int64", dims: shape, data: new BigInt64Array(buffer) }];
      return [key, { dtype: "float32", dims: shape, data: new Float32Array(buffer) }];
    }),
  );
}

async function run(graph: Graph, tensors: ReadonlyMap<string, Stored>, source: Graph) {
  const session = await InferenceSession.create(writeOnnx(graph), { logSeverityLevel: 3 });
  const feeds = graph.inputs.map(({ name }) => {
    const given = tensors.get(`input.${name}`);
    if (given) return [name, new Tensor(given.dtype, given.data, given.dims)] as const;
    const { dims, data } = source.get(name).constant!;
    return [name, new Tensor("float32", new Float32Array(data.read().slice().buffer), dims)] as const;
  });
  return session.run(Object.fromEntries(feeds));
}

const networks = [
  "encoder",
  "vit",
  "resnet",
  "resnet-batch-statistics",
  "depthwise",
  "unet",
  "detector",
  "tagger",
  "translator",
  "sunspots",
  "folded",
  "listed",
  "llama",
  "bert-fused",
];

describe.each(networks)("%s: loss and every parameter gradient equal PyTorch's", (name) => {
  const tensors = reference(name);
  const source = readOnnx(fixture(`${name}.onnx`));
  normalize(source);
  foldSequences(source);
  const gradients = [...tensors].filter(([key]) => key.startsWith("grad."));
  const parameters = gradients.map(([key]) => key.slice("grad.".length));
  const batch = ["images", "ids", "input_ids"].flatMap((key) => tensors.get(`input.${key}`)?.dims ?? [])[0]!;

  test.each([
    ["with the batch known", { symbols: { batch } }],
    ["with the batch a symbol", {}],
  ])("%s", async (_title, options) => {
    expect(parameters.length).toBeGreaterThan(4);
    const backward = differentiate(source, { loss: "loss", parameters, ...options });
    const found = await run(backward.graph, tensors, source);
    const expected = tensors.get("loss")!.data[0] as number;
    expect(Math.abs((found["loss"]!.data[0] as number) / expected - 1)).toBeLessThan(1e-5);
    for (const [key, { dims, data }] of gradients) {
      const gradient = found[backward.gradients.get(key.slice("grad.".length))!]!;
      expect(gradient.dims, key).toEqual(dims);
      expect(relativeError(gradient.data as Float32Array, data as Float32Array), key).toBeLessThan(1e-4);
    }
  });
});

test.each(["llama", "bert-fused"])("%s: what PyTorch trains is what may move", (name) => {
  const source = readOnnx(fixture(`${name}.onnx`));
  normalize(source);
  const found = collectParameters(source).parameters.map((parameter) => parameter.name);
  const expected = [...reference(name).keys()].filter((key) => key.startsWith("grad."));
  expect(found.map((parameter) => `grad.${parameter}`).sort()).toEqual(expected.sort());
});

/** Largest difference, relative to the largest gradient; an expected gradient of 0 (a bias before a norm) counts as 1e-5. */
function relativeError(actual: Float32Array, expected: Float32Array): number {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-5);
  return actual.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0) / largest;
}
