import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseOptions } from "../../dist/app/options/parse.js";
import { readRecipe } from "../../dist/app/options/recipe.node.js";
import { tuneOptions } from "../../dist/app/options/tune.js";
import { readRun } from "../../dist/app/run-record.node.js";
import { decodeImage } from "../../dist/data/decode-image.node.js";
import { loadPreprocessor } from "../../dist/data/preprocessor.node.js";
import { buildTokenizer } from "../../dist/data/text/build-tokenizer.js";
import { renderMarked } from "../../dist/data/text/chat-template.js";
import { openTextSet } from "../../dist/data/text/open-text-rows.node.js";
import { loadPeftAdapter } from "../../dist/models/adapters/peft.node.js";
import { openNetwork } from "../../dist/models/open-network.node.js";
import { readCheckpoint, writeCheckpoint } from "../../dist/tune/checkpoint.node.js";
import { tokenizerConfig, tokenizerSeeds } from "./folder-seeds.mjs";
import { jsonBytes, mutateBytes, mutateJson, mutateText, pick, writeInto } from "./mutate.mjs";
import {
  adapterBase,
  adapterSeeds,
  imageSeeds,
  networkSeeds,
  parquetSeed,
  preprocessorSeed,
  recipeSeed,
  templateSeeds,
} from "./network-seeds.mjs";

const base = await openNetwork(adapterBase, { seed: 0 });
const plain = buildTokenizer({ tokenizer: tokenizerSeeds[0], config: tokenizerConfig }, "tokenizer.json");
const messages = [
  { role: "system", content: "be brief" },
  { role: "user", content: "a & b" },
  { role: "assistant", content: "c" },
];

/** JSON that is changed by its values, or sometimes by its bytes. */
const changedJson = (value, rng) =>
  rng.integer(5) === 0 ? mutateBytes(jsonBytes(value), rng) : jsonBytes(mutateJson(value, rng));

/** Networks that are built from checkpoints, adapters, images, templates, recipes and runs. */
export const networkTargets = [
  {
    name: "config.json",
    weight: 4,
    run: async (rng, folder) => {
      const { config, weights } = pick(rng, networkSeeds);
      writeInto(folder, "config.json", changedJson(config, rng));
      writeInto(folder, "model.safetensors", rng.integer(6) === 0 ? mutateBytes(weights, rng) : weights);
      await openNetwork(folder, { seed: 0 });
    },
  },
  {
    name: "adapters",
    weight: 2,
    run: async (rng, folder) => {
      const { config, weights } = pick(rng, adapterSeeds);
      const what = rng.integer(3);
      writeInto(folder, "adapter_config.json", what === 0 ? jsonBytes(config) : changedJson(config, rng));
      writeInto(folder, "adapter_model.safetensors", what === 1 ? weights : mutateBytes(weights, rng));
      await loadPeftAdapter(folder, base);
    },
  },
  {
    name: "images",
    weight: 2,
    run: async (rng, folder) => {
      const [extension, bytes] = pick(rng, imageSeeds);
      await decodeImage(writeInto(folder, `image.${extension}`, mutateBytes(bytes, rng)), pick(rng, [1, 3]));
    },
  },
  {
    name: "preprocessor_config.json",
    weight: 3,
    run: async (rng, folder) => {
      writeInto(folder, "preprocessor_config.json", changedJson(preprocessorSeed, rng));
      await loadPreprocessor(folder, { layout: "nchw" });
    },
  },
  {
    name: "Parquet",
    weight: 4,
    run: (rng, folder) => openTextSet(writeInto(folder, "rows.parquet", mutateBytes(parquetSeed, rng))),
  },
  {
    name: "chat templates",
    weight: 4,
    run: (rng) => {
      const chatTemplate = mutateText(pick(rng, templateSeeds), rng);
      renderMarked(Object.create(plain, { chatTemplate: { value: chatTemplate } }), messages);
    },
  },
  {
    name: "recipes",
    weight: 4,
    run: async (rng, folder) => {
      const path = writeInto(folder, "recipe.yaml", mutateBytes(recipeSeed, rng));
      parseOptions(tuneOptions, await readRecipe(path, {}));
    },
  },
  {
    name: "runs and checkpoints",
    weight: 3,
    run: async (rng, folder) => {
      const record = {
        "recipe.yaml": recipeSeed,
        "run.json": jsonBytes({ base: "model.onnx", started: "2026-01-01" }),
        "metrics.jsonl": jsonBytes({ kind: "step", step: 1, loss: 0.5 }),
        "result.json": jsonBytes({ metrics: { accuracy: 0.5 } }),
      };
      const damaged = pick(rng, Object.keys(record));
      for (const [name, bytes] of Object.entries(record))
        writeInto(folder, name, name === damaged ? mutateBytes(bytes, rng) : bytes);
      await readRun(folder).catch(refusedOnly);
      await writeCheckpoint(folder, stored);
      const file = join("step-3", pick(rng, ["state.json", "values.safetensors", "moments.safetensors"]));
      writeInto(folder, file, mutateBytes(new Uint8Array(readFileSync(join(folder, file))), rng));
      await readCheckpoint(folder, 3);
    },
  },
];

const floats = (length) => new Float32Array(length).fill(1);
const stored = {
  progress: { step: 3, epoch: 0, stage: 0 },
  settings: { learningRate: 1e-3 },
  eventBytes: 10,
  arrays: new Map([
    ["w", { kind: "adamw", dims: [2, 3], value: floats(6), first: floats(6), second: floats(6), steps: 3 }],
    ["b", { kind: "adamw", dims: [2], value: floats(2), first: floats(2), second: floats(2), steps: 3 }],
  ]),
};

/** Goes on after a refusal, so that a case may try two readers. */
function refusedOnly(error) {
  if (error?.name !== "DiapasonError" || error.code === "base/bug") throw error;
}
