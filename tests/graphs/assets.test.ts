import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import * as ort from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { readOnnx } from "../../src/formats/onnx/reader.ts";
import { writeOnnx } from "../../src/formats/onnx/writer.ts";
import { type Dim, substitute } from "../../src/graph/dim.ts";
import { forgetShapes, inferShapes } from "../../src/graph/infer.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { cleanUp } from "../../src/graph/passes/clean-up.ts";
import { normalize } from "../../src/graph/passes/normalize.ts";
import { makeBatchSymbolic } from "../../src/graph/passes/symbolic-batch.ts";
import { assets, haveAssets } from "../assets.ts";

/** Sizes and whole-number inputs that models insist on; other symbols are 2, other numbers 1. */
const wanted: readonly (readonly [file: string, sizes: { readonly [symbol: string]: number }])[] = [
  ["silero", { "input.1": 512, sequence: 512, samples: 16000 }],
  // Recurrent networks that were exported for one sequence, whatever their inputs say.
  ["Hallway", { batch: 1 }],
  ["hybrid0vis8vec", { batch: 1 }],
  ["obsolete_recurr", { batch: 1 }],
];
/** Models whose If has branches of different ranks: what comes after is learnt by running them. */
const opaque = /silero/;
/** Operators that give other numbers in each run. */
const random = /^(RandomNormalLike|Multinomial)$/;

const modelFiles = !haveAssets
  ? []
  : [
      ...readdirSync(assets("onnx"))
        .filter((name) => name.endsWith(".onnx"))
        .map((name) => assets(`onnx/${name}`)),
      ...["resnet20-cifar10", "resnet56-cifar10", "squeezenet-imagenet"].map((name) =>
        assets(`models/${name}/onnx/model.onnx`),
      ),
    ];

/** The size of each symbol that a graph's inputs name. */
function sizesOf(graph: Graph, file: string): Map<string, Dim> {
  const asked = wanted.find(([part]) => file.includes(part))?.[1] ?? {};
  const symbols = graph.inputs.flatMap((input) =>
    (input.shape ?? []).filter((dim) => typeof dim === "string"),
  );
  return new Map(symbols.map((symbol) => [symbol, asked[symbol] ?? 2]));
}

/** Fixed, uneven numbers for every input. */
function feedsOf(graph: Graph, sizes: ReadonlyMap<string, Dim>): Record<string, ort.Tensor> {
  const feeds: Record<string, ort.Tensor> = {};
  for (const input of graph.inputs) {
    if (input.constant) continue;
    const dims = (input.shape ?? []).map((dim) => Number(substitute(dim, sizes)));
    const count = dims.reduce((n, d) => n * d, 1);
    const data = Array.from({ length: count }, (_, i) => Math.sin(i * 1.7) / 2);
    feeds[input.name] =
      input.dtype === "int64"
        ? new ort.Tensor(
            "int64",
            BigInt64Array.from(data, (_, i) => BigInt(i === 0 && dims.length === 0 ? 16000 : 1)),
            dims,
          )
        : input.dtype === "int32"
          ? new ort.Tensor(
              "int32",
              Int32Array.from(data, () => 1),
              dims,
            )
          : new ort.Tensor("float32", Float32Array.from(data), dims);
  }
  return feeds;
}

async function run(
  bytes: Uint8Array,
  feeds: Record<string, ort.Tensor>,
): Promise<ort.InferenceSession.OnnxValueMapType> {
  const session = await ort.InferenceSession.create(bytes, {
    graphOptimizationLevel: "disabled",
    logSeverityLevel: 4,
  });
  const result = await session.run(feeds);
  await session.release();
  return result;
}

/** Largest difference over largest magnitude. Not always 0: AveragePool sums in another order from opset 19 on. */
function relativeDifference(a: ort.Tensor["data"], b: ort.Tensor["data"]): number {
  expect(a.length).toBe(b.length);
  let difference = 0;
  let magnitude = 0;
  for (let i = 0; i < a.length; i++) {
    difference = Math.max(difference, Math.abs(Number(a[i]) - Number(b[i])));
    magnitude = Math.max(magnitude, Math.abs(Number(b[i])));
  }
  return difference === 0 ? 0 : difference / magnitude;
}

describe.skipIf(!haveAssets)("real models (needs the assets folder)", () => {
  test.each(modelFiles.map((file) => [basename(file), file]))("%s", async (_, file) => {
    const original = readFileSync(file);
    const graph = readOnnx(original);
    normalize(graph);
    forgetShapes(graph);
    inferShapes(graph);
    const sizes = sizesOf(graph, file);
    const feeds = feedsOf(graph, sizes);
    const isRandom = graph.nodes.some((node) => random.test(node.op));

    const before = await run(original, feeds);
    const outputs = graph.outputs.map((value) => value.name);
    for (const value of graph.nodes.flatMap((node) => node.outputs))
      if (value && !value.opaqueType && value.dtype && !graph.outputs.includes(value)) graph.addOutput(value);
    const after = await run(writeOnnx(graph), feeds);

    const clean = readOnnx(original);
    cleanUp(clean);
    const cleaned = await run(writeOnnx(clean), feeds);
    for (const name of isRandom ? [] : outputs)
      expect(relativeDifference(cleaned[name]!.data, before[name]!.data), name).toBeLessThan(1e-4);
    for (const name of outputs)
      if (!isRandom)
        expect(relativeDifference(after[name]!.data, before[name]!.data), name).toBeLessThan(1e-4);
    let told = 0;
    for (const value of graph.outputs) {
      if (value.shape === undefined) continue;
      const found = value.shape.map((dim) => substitute(dim, sizes));
      const actual = after[value.name]!.dims;
      expect(found.length, value.name).toBe(actual.length);
      expect(
        found.map((dim, axis) => (typeof dim === "number" ? dim : actual[axis])),
        value.name,
      ).toEqual(actual);
      expect(value.dtype, value.name).toBe(after[value.name]!.type);
      told += Number(found.every((dim) => typeof dim === "number"));
    }
    if (!opaque.test(file)) expect(told).toBe(graph.outputs.length);
  });

  test("a detector exported for one image takes two, each as on its own", async () => {
    const bytes = readFileSync(assets("onnx/dog-qiuqiu+FastestDet__example_onnx-runtime_FastestDet.onnx"));
    const graph = readOnnx(bytes);
    cleanUp(graph);
    const [input] = graph.inputs;
    expect(makeBatchSymbolic(graph, input!.name)).toEqual([]);
    const [, ...dims] = input!.shape as number[];
    const size = dims.reduce((n, d) => n * d, 1);
    const pixels = Float32Array.from({ length: 2 * size }, (_, i) => Math.sin(i * 1.7) / 2);
    const both = await run(writeOnnx(graph), {
      [input!.name]: new ort.Tensor("float32", pixels, [2, ...dims]),
    });
    const { name } = graph.outputs[0]!;
    for (const i of [0, 1]) {
      const one = pixels.slice(i * size, (i + 1) * size);
      const alone = await run(bytes, { [input!.name]: new ort.Tensor("float32", one, [1, ...dims]) });
      const expected = alone[name]!.data as Float32Array;
      const found = (both[name]!.data as Float32Array).slice(i * expected.length, (i + 1) * expected.length);
      expect(relativeDifference(found, expected)).toBeLessThan(1e-4);
    }
  });
});
