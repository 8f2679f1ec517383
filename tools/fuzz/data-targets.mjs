import { join } from "node:path";
import { stringify } from "yaml";
import { readSentenceModules } from "../../dist/app/text/sentence-modules.node.js";
import { unpackArchive } from "../../dist/data/archives.node.js";
import { chooseDataFiles } from "../../dist/data/repository/data-files.node.js";
import { readCard } from "../../dist/data/repository/dataset-card.js";
import { asUsual } from "../../dist/data/repository/reader-settings.js";
import { buildTokenizer } from "../../dist/data/text/build-tokenizer.js";
import { openTextSet } from "../../dist/data/text/open-text-rows.node.js";
import { readTokenizerFiles } from "../../dist/data/text/open-tokenizer.node.js";
import {
  archiveSeeds,
  cardPaths,
  cardSeed,
  compressedSeeds,
  encoderSeeds,
  readerSeeds,
  sentencePieceSeeds,
} from "./data-seeds.mjs";
import { mutateBytes, mutateJson, mutateText, pick, writeInto } from "./mutate.mjs";

const text = (bytes) => new TextDecoder().decode(bytes);
const changedJson = (bytes, rng) => {
  if (rng.integer(4) === 0) return mutateBytes(bytes, rng);
  return new TextEncoder().encode(JSON.stringify(mutateJson(JSON.parse(text(bytes)), rng)) ?? "");
};

/** Data sets as they lie on the Hub, and what model folders hold of SentencePiece and sentence-transformers. */
export const dataTargets = [
  {
    name: "SentencePiece",
    weight: 5,
    run: async (rng, folder) => {
      for (const [name, bytes] of pick(rng, sentencePieceSeeds)) {
        const isModel = name.endsWith(".model");
        const changed = () => (isModel ? mutateBytes(bytes, rng) : changedJson(bytes, rng));
        writeInto(folder, name, isModel || rng.integer(4) === 0 ? changed() : bytes);
      }
      const built = buildTokenizer(await readTokenizerFiles(folder), "spiece.model");
      built.decode(built.encode("ab, \u{1f600} é a", { maxLength: 20 }).ids);
    },
  },
  {
    name: "modules of sentence encoders",
    weight: 3,
    run: async (rng, folder) => {
      for (const [name, bytes] of pick(rng, encoderSeeds)) {
        const changed = () => (name.endsWith(".json") ? changedJson(bytes, rng) : mutateBytes(bytes, rng));
        writeInto(folder, name, rng.integer(3) === 0 ? changed() : bytes);
      }
      await readSentenceModules(folder);
    },
  },
  {
    name: "archives of data",
    weight: 5,
    run: async (rng, folder) => {
      const [name, bytes] = pick(rng, archiveSeeds);
      const path = writeInto(folder, name, mutateBytes(bytes, rng));
      await unpackArchive(path, name, join(folder, "unpacked"), { bytes: 2 ** 20, ratio: 200, files: 1000 });
    },
  },
  {
    name: "compressed tables",
    weight: 2,
    run: async (rng, folder) => {
      const [name, bytes] = pick(rng, compressedSeeds);
      await openTextSet(writeInto(folder, name, mutateBytes(bytes, rng)));
    },
  },
  {
    name: "cards of data sets",
    weight: 3,
    run: (rng) => {
      const yaml = stringify(rng.integer(4) === 0 ? cardSeed : mutateJson(cardSeed, rng)) ?? "";
      const matter = rng.integer(4) === 0 ? mutateText(yaml, rng) : yaml;
      const card = readCard(`---\n${matter}\n---\n`, "org/data");
      const { reader } = chooseDataFiles(
        { name: "org/data", paths: cardPaths, card },
        card.configs[rng.integer(2)]?.name,
      );
      const [ending, bytes] = pick(rng, readerSeeds);
      const changed = rng.integer(2) === 0 ? bytes : mutateBytes(bytes, rng);
      asUsual(Buffer.from(changed), { ending, name: `a${ending}` }, { field: "rows", ...reader });
    },
  },
];
