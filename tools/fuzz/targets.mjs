import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openArraySet } from "../../dist/data/array-files.node.js";
import { metadataNames, readMetadata } from "../../dist/data/folder-metadata.node.js";
import { loadOnnx } from "../../dist/formats/onnx/file.node.js";
import { ModelProtoSchema } from "../../dist/formats/onnx/onnx.generated.js";
import { readOnnx } from "../../dist/formats/onnx/reader.js";
import { writeOnnx } from "../../dist/formats/onnx/writer.js";
import { readSafetensors } from "../../dist/formats/safetensors.js";
import { loadSafetensors } from "../../dist/formats/safetensors.node.js";
import { cleanUp } from "../../dist/graph/passes/clean-up.js";
import { print } from "../../dist/graph/print.js";
import { inMemory } from "../../dist/graph/tensor.js";
import { bombs } from "./bombs.mjs";
import { dataTargets } from "./data-targets.mjs";
import { folderTargets } from "./folder-targets.mjs";
import { joined, mutateBytes, mutateJson, mutateMessage, pick } from "./mutate.mjs";
import { networkTargets } from "./network-targets.mjs";
import {
  externalSeed,
  jsonLines,
  labelsCsv,
  npySeed,
  npzSeeds,
  onnxSeeds,
  safetensorsSeed,
} from "./seeds.mjs";

/** Everything that is done with a graph before it is run: one spelling, shapes, constants folded, text, the file again. */
function digest(graph) {
  cleanUp(graph);
  print(graph);
  writeOnnx(graph);
}

const external = externalSeed();

/**
 * What is fuzzed: its share of the cases, and a function that makes a case of random numbers and tries it. It must
 * end well or with a DiapasonError. `folder` is empty, and there is a file outside.bin beside it with which no read may end.
 */
export const targets = [
  {
    name: "ONNX, bytes",
    weight: 25,
    run: (rng) => digest(readOnnx(mutateBytes(pick(rng, onnxSeeds).bytes, rng))),
  },
  {
    name: "ONNX, structure",
    weight: 25,
    run: (rng) => {
      const bytes = mutateMessage(ModelProtoSchema, pick(rng, onnxSeeds).message, rng);
      if (bytes) digest(readOnnx(bytes));
    },
  },
  {
    name: "ONNX, bombs",
    weight: 1,
    run: (rng) =>
      digest(
        readOnnx(
          rng.integer(4) === 0
            ? mutateBytes(pick(rng, Object.values(bombs)), rng)
            : pick(rng, Object.values(bombs)),
        ),
      ),
  },
  {
    name: "external data",
    weight: 6,
    run: async (rng, folder) => {
      const data = rng.integer(3) === 0 ? mutateBytes(external.data, rng) : external.data;
      const bytes =
        rng.integer(3) === 0
          ? mutateBytes(external.bytes, rng)
          : mutateMessage(ModelProtoSchema, external.message, rng);
      if (!bytes) return;
      writeFileSync(join(folder, "model.onnx"), bytes);
      writeFileSync(join(folder, "w.bin"), data);
      const graph = await loadOnnx(join(folder, "model.onnx"));
      for (const { constant } of graph.initializers) {
        const read = new TextDecoder("latin1").decode(constant.data.read());
        if (read.includes(secret)) throw new Error("a weight was read outside the model's folder");
      }
    },
  },
  {
    name: "safetensors",
    weight: 12,
    run: (rng) => {
      const bytes = rng.integer(2) === 0 ? mutateBytes(safetensorsSeed, rng) : otherHeader(rng);
      const range = (offset, length) => inMemory(bytes.subarray(offset, offset + length));
      for (const { data } of readSafetensors(bytes.length, range).tensors.values()) data.read();
    },
  },
  {
    name: "safetensors files",
    weight: 2,
    run: async (rng, folder) => {
      const path = join(folder, "w.safetensors");
      writeFileSync(path, mutateBytes(safetensorsSeed, rng));
      for (const { data } of (await loadSafetensors(path)).tensors.values()) data.read();
    },
  },
  { name: "labels", weight: 8, run: (rng, folder) => readMetadata(labelsFile(rng, folder)) },
  {
    name: "arrays",
    weight: 6,
    run: async (rng, folder) => {
      const [name, bytes] = pick(rng, [
        () => ["a.npy", mutateBytes(npySeed, rng)],
        () => ["a.npz", mutateBytes(pick(rng, npzSeeds), rng)],
        () => [
          "a.jsonl",
          rng.integer(2) === 0 ? mutateBytes(lines(jsonLines), rng) : lines(mutateJson(jsonLines, rng)),
        ],
        () => ["a.safetensors", mutateBytes(safetensorsSeed, rng)],
      ])();
      const path = join(folder, name);
      writeFileSync(path, bytes);
      await openArraySet(path);
    },
  },
  ...folderTargets,
  ...networkTargets,
  ...dataTargets,
];

/** What the file beside the folder holds. */
export const secret = "this lies outside the folder";

const text = (value) => new TextEncoder().encode(value);
const lines = (rows) =>
  text(Array.isArray(rows) ? rows.map((row) => JSON.stringify(row)).join("\n") : JSON.stringify(rows));

function otherHeader(rng) {
  const size = Number(new DataView(safetensorsSeed.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(safetensorsSeed.subarray(8, 8 + size)));
  const changed = text(JSON.stringify(mutateJson(header, rng)) ?? "");
  const length = new Uint8Array(BigUint64Array.of(BigInt(changed.length)).buffer);
  return joined(length, changed, safetensorsSeed.subarray(8 + size));
}

function labelsFile(rng, folder) {
  const name = pick(rng, metadataNames);
  const rows = [
    { file_name: "a.png", label: "cat" },
    { file_name: "b.png", label: "dog", split: "test" },
  ];
  const bytes = name.endsWith(".csv")
    ? labelsCsv
    : lines(rng.integer(2) === 0 ? rows : mutateJson(rows, rng));
  const path = join(folder, name);
  writeFileSync(path, mutateBytes(bytes, rng));
  return path;
}

/** Chooses what a case is of. */
export function targetOf(rng) {
  const sums = targets.map((_, i) => targets.slice(0, i + 1).reduce((sum, { weight }) => sum + weight, 0));
  const drawn = rng.integer(sums.at(-1));
  return targets[sums.findIndex((sum) => drawn < sum)];
}

/** Empties the folder of a worker. */
export function emptyFolder(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
}
