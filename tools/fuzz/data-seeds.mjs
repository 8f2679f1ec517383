import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { zipSync } from "fflate";
import { pack } from "tar-stream";

const fixtures = new URL("../../tests/fixtures/", import.meta.url);
const bytesOf = (text) => new TextEncoder().encode(text);

/** SentencePiece models with a config.json that says whose they are: file name to bytes. */
export const sentencePieceSeeds = filesOfFolders("sentencepiece/").map(
  ({ name, files }) => new Map([["config.json", bytesOf(JSON.stringify({ model_type: name }))], ...files]),
);

/** Folders of sentence encoders without their base: file name, also in a folder, to bytes. */
export const encoderSeeds = filesOfFolders("sentence-encoders/")
  .map(({ files }) => files)
  .filter((files) => files.has("modules.json"));

function filesOfFolders(within) {
  const root = new URL(within, fixtures);
  const folders = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders.map(({ name }) => ({ name, files: new Map(filesIn(new URL(`${name}/`, root))) }));
}

function filesIn(folder, within = "") {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = `${within}${entry.name}`;
    if (entry.isDirectory()) return filesIn(new URL(`${entry.name}/`, folder), `${path}/`);
    return [[path, new Uint8Array(readFileSync(new URL(entry.name, folder)))]];
  });
}

const members = [
  ["train/cat/1.txt", "a"],
  ["train/dog/2.txt", "b"],
  ["test/rows.csv", "text,label\na,b\n"],
];

/** Archives of the kinds that are unpacked, by file name. */
export const archiveSeeds = await Promise.all([
  ["data.zip", zipSync(Object.fromEntries(members.map(([name, text]) => [name, bytesOf(text)])))],
  tar().then((bytes) => ["data.tar", bytes]),
  tar().then((bytes) => ["data.tar.gz", new Uint8Array(gzipSync(bytes))]),
]);

async function tar() {
  const archive = pack();
  for (const [name, text] of members) archive.entry({ name }, text);
  archive.entry({ name: "train/link", type: "symlink", linkname: "../../outside.bin" });
  archive.finalize();
  const chunks = [];
  for await (const chunk of archive) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}

/** A frame of Zstandard that holds its bytes as they are: magic, its size in one byte, one last raw block. */
function storedZstandard(bytes) {
  const block = (bytes.length << 3) | 1;
  const head = [0x28, 0xb5, 0x2f, 0xfd, 0x20, bytes.length, block & 255, (block >> 8) & 255, block >> 16];
  return Uint8Array.from([...head, ...bytes]);
}

const rows = bytesOf("text,label\na,good\nb,bad\n");
/** Compressed tables, by file name. */
export const compressedSeeds = [
  ["train.csv.gz", new Uint8Array(gzipSync(rows))],
  ["train.csv.zst", storedZstandard(rows)],
];

/** The front matter of a data set's README.md. */
export const cardSeed = {
  configs: [
    {
      config_name: "plain",
      default: true,
      data_files: "*.csv",
      sep: ";",
      header: null,
      names: ["text", "label"],
    },
    {
      config_name: "split",
      data_dir: "data",
      data_files: [
        { split: "train", path: ["train-*.json", "more/**"] },
        { split: "test", path: "test.json" },
      ],
      field: "rows",
      skiprows: 1,
    },
  ],
  dataset_info: [
    {
      config_name: "plain",
      features: [
        { name: "text", dtype: "string" },
        { name: "label", dtype: { class_label: { names: { 0: "bad", 1: "good" } } } },
      ],
    },
  ],
};

/** Files of such a data set. */
export const cardPaths = [
  "README.md",
  "a.csv",
  "data/train-0.json",
  "data/train-1.json",
  "data/more/x.json",
  "data/test.json",
];
/** What they hold: a table, and a list in a field. */
export const readerSeeds = [
  [".csv", bytesOf("a;good\nb;bad\n")],
  [".json", bytesOf('{"rows":[{"text":"a","label":0},{"text":"b","label":1}]}')],
];
