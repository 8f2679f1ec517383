import { buildTokenizer } from "../../dist/data/text/build-tokenizer.js";
import { openTextSet } from "../../dist/data/text/open-text-rows.node.js";
import { readTokenizerFiles } from "../../dist/data/text/open-tokenizer.node.js";
import { openCheckpoint } from "../../dist/formats/checkpoint.node.js";
import { crc32 } from "../../dist/formats/crc32.js";
import { loadTorch } from "../../dist/formats/torch/load.node.js";
import {
  fixtureTokenizers,
  oldTokenizerSeeds,
  shardedSeed,
  textSeeds,
  tokenizerConfig,
  tokenizerSeeds,
  torchSeeds,
} from "./folder-seeds.mjs";
import { jsonBytes, mutateBytes, mutateJson, pick, writeInto } from "./mutate.mjs";

const sharded = shardedSeed();
const sample = "ab, a [SEP] \u{1f600} aab";

/** What model folders hold beside graphs, and rows of text. */
export const folderTargets = [
  {
    name: "torch.save",
    weight: 12,
    run: async (rng, folder) => {
      const seed = pick(rng, torchSeeds);
      const bytes = rng.integer(2) === 0 ? mutatePickle(seed, rng) : mutateBytes(seed, rng);
      readAll(await loadTorch(writeInto(folder, "w.pt", bytes)));
    },
  },
  {
    name: "sharded checkpoints",
    weight: 6,
    run: async (rng, folder) => {
      const index = JSON.stringify(mutateJson(sharded.index, rng));
      const text = new TextEncoder().encode(index);
      writeInto(folder, "model.safetensors.index.json", rng.integer(4) === 0 ? mutateBytes(text, rng) : text);
      for (const [name, bytes] of sharded.files)
        writeInto(folder, name, rng.integer(6) === 0 ? mutateBytes(bytes, rng) : bytes);
      readAll(await openCheckpoint(folder));
    },
  },
  {
    name: "tokenizers",
    weight: 8,
    run: async (rng, folder) => {
      const config = rng.integer(3) === 0 ? mutateJson(tokenizerConfig, rng) : tokenizerConfig;
      for (const [name, bytes] of tokenizerFiles(rng))
        writeInto(folder, name, rng.integer(8) === 0 ? mutateBytes(bytes, rng) : bytes);
      writeInto(folder, "tokenizer_config.json", new TextEncoder().encode(JSON.stringify(config) ?? ""));
      const built = buildTokenizer(await readTokenizerFiles(folder), "tokenizer.json");
      built.decode(built.encode(sample, { pair: "b", maxLength: 20 }).ids);
    },
  },
  {
    name: "rows of text",
    weight: 8,
    run: async (rng, folder) => {
      const [name, bytes] = pick(rng, textSeeds);
      await openTextSet(writeInto(folder, name, mutateBytes(bytes, rng)));
    },
  },
];

/** The files of a tokenizer of any age, by name. */
function tokenizerFiles(rng) {
  const kind = rng.integer(8);
  if (kind === 0)
    return Object.entries(pick(rng, oldTokenizerSeeds)).map(([name, text]) => {
      const bytes = new TextEncoder().encode(text);
      return [name, rng.integer(2) === 0 ? mutateBytes(bytes, rng) : bytes];
    });
  const seed = pick(rng, kind < 3 ? fixtureTokenizers : tokenizerSeeds);
  return [["tokenizer.json", jsonBytes(mutateJson(seed, rng))]];
}

/** A zip file whose pickle is changed in place and whose checksum fits, so that it is read; any other by bytes. */
function mutatePickle(seed, rng) {
  const place = pickleIn(seed);
  if (!place) return mutateBytes(seed, rng);
  const bytes = seed.slice();
  const pickle = bytes.subarray(place.start, place.start + place.length);
  for (let i = 0; i <= rng.integer(4); i++)
    pickle[rng.integer(pickle.length)] = rng.integer(2) === 0 ? rng.integer(256) : pick(rng, [...pickle]);
  new DataView(bytes.buffer).setUint32(place.crcAt, crc32(pickle), true);
  return bytes;
}

/** Where data.pkl lies in a zip file, and its checksum in the directory. */
function pickleIn(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 46 < bytes.length; at++) {
    if (view.getUint32(at, true) !== 0x02014b50) continue;
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + view.getUint16(at + 28, true)));
    if (!name.endsWith("/data.pkl")) continue;
    const local = view.getUint32(at + 42, true);
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    return { start, length: view.getUint32(at + 20, true), crcAt: at + 16 };
  }
  return undefined;
}

function readAll({ tensors }) {
  for (const { data } of tensors.values()) data.read();
}
