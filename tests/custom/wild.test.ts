import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { saveNpz } from "../../src/formats/npz.node.ts";
import { loadOnnx } from "../../src/formats/onnx/file.node.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { float32, int64, type Tensor, tensorOf } from "../../src/graph/tensor.ts";
import type { TuneInput } from "../../src/index.ts";
import { assets, haveAssets } from "../assets.ts";
import { normals } from "./tiny-policy.ts";
import { policyFolder, savedOf } from "./tools.ts";

const { at, base } = policyFolder();

/** Real graphs with made-up data: of each the file, its loss, and arrays for a number of examples. */
const wild: readonly {
  readonly name: string;
  readonly file: RegExp;
  readonly loss: string;
  readonly arrays: (n: number) => Map<string, Tensor>;
  readonly options?: Partial<TuneInput>;
}[] = [
  {
    name: "a policy that walks",
    file: /^8428be75.*Walker\.onnx$/,
    loss: "mse:deterministic_continuous_actions=target",
    arrays: (n) =>
      new Map([
        ["obs_0", float32([n, 243], normals("obs", n * 243))],
        ["target", float32([n, 39], normals("t", n * 39).map(Math.tanh))],
      ]),
  },
  {
    name: "a policy that sorts, with an action mask",
    file: /Sorter_TFModels_Sorter\.onnx$/,
    loss: "cross-entropy:discrete_actions=choice",
    arrays: (n) =>
      new Map([
        ["vector_observation", float32([n, 18], normals("v", n * 18))],
        ["obs_0", float32([n, 20, 23], normals("o", n * 460))],
        ["action_masks", float32([n, 9], new Float32Array(n * 9).fill(1))],
        [
          "choice",
          int64(
            [n],
            Array.from({ length: n }, (_, i) => i % 2),
          ),
        ],
      ]),
  },
  {
    name: "a voice detector over frames",
    file: /model_mini\.onnx$/,
    loss: "bce:output=speech",
    arrays: (n) =>
      new Map([
        ["input", float32([n, 8000], normals("i", n * 8000))],
        ["speech", float32([n, 2], new Float32Array(2 * n).fill(1))],
      ]),
  },
  {
    name: "a detector's head, where objects are",
    file: /^dog-qiuqiu.*FastestDet\.onnx$/,
    loss: "l1(mask=object):758=boxes",
    arrays: (n) =>
      new Map([
        ["input.1", float32([n, 3, 352, 352], normals("p", n * 3 * 352 * 352))],
        ["boxes", float32([n, 85, 22, 22], normals("b", n * 85 * 484))],
        [
          "object",
          tensorOf(
            "bool",
            [n, 1, 22, 22],
            Uint8Array.from({ length: n * 484 }, (_, i) => Number(i % 7 === 0)),
          ),
        ],
      ]),
    options: { batchSize: 4, plan: "head" },
  },
  {
    name: "a network that reads bytes",
    file: /standard_v3_1_model\.onnx$/,
    loss: "cross-entropy:target_label=label",
    arrays: (n) =>
      new Map([
        [
          "bytes",
          int64(
            [n, 2048],
            Array.from({ length: n * 2048 }, (_, i) => (i * 7) % 257),
          ),
        ],
        ["label", int64([n], new Array<number>(n).fill(3))],
      ]),
    options: { plan: "head" },
  },
];

const speech = (n: number) =>
  new Map<string, Tensor>([
    ["input", float32([n, 512], normals("frame", n * 512))],
    ["speech", float32([n, 1], new Float32Array(n).fill(1))],
  ]);

const recurrent: typeof wild = [
  {
    name: "a recurrent voice detector behind an If",
    file: /src_silero_vad_data_silero_vad\.onnx$/,
    loss: "bce:output=speech",
    arrays: speech,
    options: { fix: ["sr=16000", "state=0"], epochs: 8 },
  },
  {
    name: "one that was exported for one example at a time, in batches",
    file: /^127ffc92.*silero_vad\.onnx$/,
    loss: "mse:output=speech",
    arrays: (n) => speech(n).set("speech", float32([n, 2, 1], new Float32Array(2 * n).fill(1))),
    options: { fix: ["h0=0", "c0=0"] },
  },
];

async function learns(row: (typeof wild)[number], more: Partial<TuneInput>): Promise<void> {
  const { name, file, loss, arrays, options } = row;
  const model = assets(`onnx/${readdirSync(assets("onnx")).find((one) => file.test(one))}`);
  const out = `${name}${more.adapter ?? ""}`.replaceAll(/\W+/g, "-");
  const data = at(`${out}.npz`);
  await saveNpz(data, arrays(12));
  const saved = await savedOf(
    base(out, { model, data, loss, epochs: 2, learningRate: 1e-3, batchSize: 6, ...options, ...more }),
  );
  expect(saved.after.metrics["loss"]).toBeLessThan(saved.before.metrics["loss"]!);
  const names = (graph: Graph) => graph.outputs.map((value) => value.name);
  expect(names(await loadOnnx(at(out, "onnx/model.onnx")))).toEqual(names(await loadOnnx(model)));
}

describe.skipIf(!haveAssets)("graphs from the wild (skipped without the real models)", () => {
  test.each([...wild, ...recurrent])("$name", { timeout: 120_000 }, (row) => learns(row, {}));

  test.each([...wild, ...recurrent])("$name, by an adapter", { timeout: 120_000 }, (row) =>
    learns(row, { ...row.options, adapter: "lora", plan: "full", learningRate: 5e-3 }),
  );
});
