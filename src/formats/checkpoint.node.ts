import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { writeFileAtomic } from "../base/atomic-file.node.ts";
import { DiapasonError } from "../base/errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import { loadSafetensors, saveSafetensors } from "./safetensors.node.ts";
import { readShardIndex, shardsOf, writeShardIndex } from "./shard-index.ts";
import { loadTorch } from "./torch/load.node.ts";

/** The weights of a model folder, wherever and in however many files they lie; none is read before it is asked for. */
export interface Checkpoint {
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** The files that hold the tensors, relative to the folder. */
  readonly files: readonly string[];
  readonly format: CheckpointFormat;
  /** What the files say of themselves: safetensors' `__metadata__`, and `total_size` of an index. */
  readonly metadata: ReadonlyMap<string, string>;
}

export type CheckpointFormat = "safetensors" | "pytorch";

interface Held {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** The names that a folder's weights have, best first, as transformers looks for them. */
const known: readonly { readonly file: string; readonly format: CheckpointFormat }[] = [
  { file: "model.safetensors", format: "safetensors" },
  { file: "model.safetensors.index.json", format: "safetensors" },
  { file: "pytorch_model.bin", format: "pytorch" },
  { file: "pytorch_model.bin.index.json", format: "pytorch" },
];

const loaders: { readonly [F in CheckpointFormat]: (path: string) => Promise<Held> } = {
  safetensors: loadSafetensors,
  pytorch: loadTorch,
};

/** Which format a file has, by the end of its name. */
const endings: readonly (readonly [RegExp, CheckpointFormat])[] = [
  [/\.safetensors(\.index\.json)?$/, "safetensors"],
  [/\.(bin|pt|pth|ckpt)(\.index\.json)?$/, "pytorch"],
];

/**
 * Opens the weights of a folder in Hugging Face's layout, in one file or in several with an index; or those of one file
 * (or index) that is named itself.
 *
 * @throws formats/no-checkpoint, formats/index-damaged, formats/index-outside, formats/index-mismatch,
 * formats/shard-missing, and what the format's own reader throws.
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const { folder, file, format } = await findCheckpoint(path);
  if (file.endsWith(".index.json")) return openShards(folder, file, format);
  return { ...(await loaders[format](join(folder, file))), files: [file], format };
}

async function findCheckpoint(
  path: string,
): Promise<{ readonly folder: string; readonly file: string; readonly format: CheckpointFormat }> {
  const is = await stat(path).catch(() => undefined);
  if (is?.isFile()) {
    const format = endings.find(([ending]) => ending.test(path))?.[1];
    if (format) return { folder: dirname(path), file: basename(path), format };
    throw noCheckpoint(path, "is no file of weights");
  }
  if (!is?.isDirectory()) throw noCheckpoint(path, "is not there");
  const files = await readdir(path);
  const found = known.find(({ file }) => files.includes(file));
  if (found) return { folder: path, ...found };
  const others = files.filter((file) => endings.some(([ending]) => ending.test(file)));
  throw noCheckpoint(
    path,
    others.length > 0
      ? `holds no weights under a usual name; there ${others.length > 1 ? "are" : "is"} ${others.slice(0, 5).join(", ")}`
      : "holds no weights",
  );
}

/** Opens every file that an index names, and checks that files and index say the same. */
async function openShards(folder: string, index: string, format: CheckpointFormat): Promise<Checkpoint> {
  const path = join(folder, index);
  const { places, metadata: said } = await aboutPath(path, async () =>
    readShardIndex(await readFile(path, "utf8")),
  );
  const files = [...new Set(places.values())];
  const missing = await filter(files, async (file) => !(await isFile(join(folder, file))));
  if (missing.length > 0)
    throw new DiapasonError(
      "formats/shard-missing",
      `${path} names ${files.length} files; ${missing.length === 1 ? "this one is" : `${missing.length} are`} not there: ${missing.slice(0, 3).join(", ")}${missing.length > 3 ? ", …" : ""}.`,
      "Download the missing files into the folder.",
    );
  const tensors = new Map<string, Tensor>();
  const metadata = new Map(said);
  const owners = new Map<string, string>();
  for (const file of files) {
    const held = await loaders[format](join(folder, file));
    for (const [key, value] of held.metadata) metadata.set(key, value);
    for (const [name, tensor] of held.tensors) {
      const other = owners.get(name);
      if (other !== undefined) throw mismatch(path, `the tensor "${name}" is in "${other}" and in "${file}"`);
      const place = places.get(name);
      if (place === undefined)
        throw mismatch(path, `"${file}" holds the tensor "${name}", which it does not name`);
      owners.set(name, file);
      tensors.set(name, tensor);
    }
  }
  for (const [name, place] of places) {
    const owner = owners.get(name);
    if (owner === place) continue;
    throw mismatch(
      path,
      `the tensor "${name}" should be in "${place}" and is ${owner === undefined ? "in none of its files" : `in "${owner}"`}`,
    );
  }
  return { tensors, files, format, metadata };
}

/** What transformers puts into a file at most, unless told otherwise. */
const defaultShardBytes = 5e9;

export interface SaveCheckpointOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  /** Bytes of weights in a file at most; beyond it there are several with an index. Default 5 GB, as transformers'. */
  readonly shardBytes?: number;
}

/**
 * Writes weights into a folder as safetensors: `model.safetensors`, or where they are larger than `shardBytes` several
 * files and `model.safetensors.index.json`, which is written last. Gives the names of the files.
 *
 * @throws formats/safetensors-type, base/disk-full, base/not-writable
 */
export async function saveCheckpoint(
  folder: string,
  tensors: ReadonlyMap<string, Tensor>,
  { metadata = { format: "pt" }, shardBytes = defaultShardBytes }: SaveCheckpointOptions = {},
): Promise<readonly string[]> {
  const shards = shardsOf(tensors, shardBytes);
  for (const { file, tensors: own } of shards) await saveSafetensors(join(folder, file), own, metadata);
  const files = shards.map(({ file }) => file);
  if (shards.length === 1) return files;
  const index = "model.safetensors.index.json";
  await writeFileAtomic(join(folder, index), writeShardIndex(shards));
  return [...files, index];
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (is) => is.isFile(),
    () => false,
  );

async function filter<T>(list: readonly T[], keep: (item: T) => Promise<boolean>): Promise<T[]> {
  const kept = await Promise.all(list.map(keep));
  return list.filter((_, i) => kept[i]);
}

async function aboutPath<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw error instanceof DiapasonError ? error.about(path) : error;
  }
}

const noCheckpoint = (path: string, what: string): DiapasonError =>
  new DiapasonError(
    "formats/no-checkpoint",
    `"${path}" ${what}; expected ${known.map(({ file }) => file).join(", ")}.`,
    "Name the folder of a checkpoint, or the file of weights itself.",
  );

const mismatch = (path: string, what: string): DiapasonError =>
  new DiapasonError(
    "formats/index-mismatch",
    `${path} does not fit its files: ${what}.`,
    "Download or save the whole checkpoint again; files of two versions may be mixed.",
  );
