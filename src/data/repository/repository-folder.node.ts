import { createHash, randomBytes } from "node:crypto";
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { asWriteError } from "../../base/atomic-file.node.ts";
import type { ClassNames } from "../class-names.ts";
import { readBytes } from "../compressed-files.node.ts";
import { compressedEnding } from "../compressed-names.ts";
import type { SplitName } from "../dataset.ts";
import { datasetInfo } from "../folder-classes.node.ts";
import type { DataFiles } from "./data-files.node.ts";
import { isImage, isMetadata, readableEnding } from "./file-kinds.node.ts";
import { writePictures } from "./picture-tables.node.ts";
import { asUsual, isReadBy, type ReaderSettings } from "./reader-settings.ts";
import { splitsIn } from "./split-names.ts";

/** Raised when what is written changes, so that what an older version wrote is not used. */
const layout = 1;

export interface RepositoryFolder {
  readonly path: string;
  readonly notes: readonly string[];
}

export interface LayOutOptions {
  /** Where the files lie. */
  readonly root: string;
  /** Folder of folders like the one that is made. */
  readonly within: string;
  readonly signal?: AbortSignal | undefined;
  /** Of how many of a split's Parquet files the pictures have been taken out. */
  readonly onPictures?: ((split: SplitName, done: number, total: number) => void) | undefined;
}

/**
 * Lays the chosen files of a repository out as a folder of splits, which is opened like any other: links to tables
 * ("train.csv", "test-00000-of-00002.parquet") and to pictures ("train/cat/1.png"), pictures out of Parquet files, and the
 * names of classes in dataset_info.json. What is there already is used again.
 *
 * @throws data/bad-row and data/broken-image for Parquet with pictures that cannot be read, base/disk-full, base/not-writable
 */
export async function layOutRepository(
  files: DataFiles,
  { root, within, signal, onPictures }: LayOutOptions,
): Promise<RepositoryFolder> {
  const said = Object.keys(files.reader).length > 0 ? [files.reader] : [];
  const key = JSON.stringify([layout, resolve(root), [...files.parts], files.classNames, ...said]);
  const mark = createHash("sha256").update(key).digest("hex").slice(0, 12);
  const path = join(within, `${files.config.replace(/[^\w.-]/g, "_").slice(0, 64)}-${mark}`);
  const kept = await keptNotes(path);
  if (kept) return { path, notes: kept };
  const draft = `${path}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    await mkdir(draft, { recursive: true });
    const notes: string[] = [];
    // What files say goes before what the card says, and those for training before others.
    let found: ClassNames = {};
    for (const [split, paths] of files.parts) {
      const place = {
        root,
        draft,
        reader: files.reader,
        classNames: { ...files.classNames, ...found },
        signal,
      };
      const laid = await layOutSplit(split, paths, {
        ...place,
        onFile: (done, total) => onPictures?.(split, done, total),
      });
      notes.push(...laid.notes);
      found = { ...laid.classNames, ...found };
    }
    const classNames = { ...files.classNames, ...found };
    const features = Object.fromEntries(
      Object.entries(classNames).map(([column, names]) => [column, { names, _type: "ClassLabel" }]),
    );
    const info = { config_name: files.config, features, diapason: { notes } };
    await writeFile(join(draft, datasetInfo), `${JSON.stringify(info, null, 2)}\n`);
    if (!(await keptNotes(path))) await rm(path, { recursive: true, force: true });
    await rename(draft, path);
    return { path, notes };
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    // Another process may have been faster, and what it made is the same.
    const made = await keptNotes(path);
    if (made) return { path, notes: made };
    throw asWriteError(error, path);
  }
}

/** What was said when a folder was made, if it is whole: contents may have been removed from the cache since. */
async function keptNotes(path: string): Promise<readonly string[] | undefined> {
  try {
    const text = await readFile(join(path, datasetInfo), "utf8");
    const names = await readdir(path, { recursive: true, encoding: "utf8" });
    await Promise.all(names.map((name) => stat(join(path, name))));
    return (JSON.parse(text) as { diapason: { notes: readonly string[] } }).diapason.notes;
  } catch {
    return undefined;
  }
}

interface Place {
  readonly root: string;
  readonly draft: string;
  readonly reader: ReaderSettings;
  readonly classNames: ClassNames;
  readonly signal?: AbortSignal | undefined;
  readonly onFile: (done: number, total: number) => void;
}

interface LaidOut {
  readonly notes: readonly string[];
  readonly classNames: ClassNames;
}

async function layOutSplit(
  split: SplitName,
  paths: readonly string[],
  { root, draft, reader, classNames, signal, onFile }: Place,
): Promise<LaidOut> {
  const put = (path: string, name: string) => link(resolve(root, path), join(draft, name));
  if (paths.some(isImage)) {
    const top = pictureRoot(split, paths);
    for (const path of paths) await put(path, `${split}/${path.slice(top.length)}`);
    return { notes: [], classNames: {} };
  }
  if (paths[0]?.endsWith(".parquet")) {
    const folder = join(draft, split);
    const files = paths.map((path) => ({ path: join(root, path), name: path }));
    const pictures = await writePictures(files, folder, { classNames, signal, onFile });
    if (pictures) {
      if (!pictures.isUnlabelled || split === "train") return pictures;
      await rm(folder, { recursive: true });
      return { ...pictures, notes: [`The ${split} pictures have no labels, and are left out.`] };
    }
  }
  const count = String(paths.length).padStart(5, "0");
  for (const [i, path] of paths.entries()) {
    const ending = readableEnding(path) ?? "";
    const part = paths.length === 1 ? "" : `-${String(i).padStart(5, "0")}-of-${count}`;
    const plain = ending.slice(0, ending.length - compressedEnding(path).length);
    if (isReadBy(reader, plain)) {
      const usual = asUsual(await readBytes(join(root, path), path), { ending: plain, name: path }, reader);
      await writeFile(join(draft, `${split}${part}${plain === ".json" ? plain : ".csv"}`), usual);
      continue;
    }
    // Arrays of one file each are called by their files.
    await put(path, ending === ".npy" ? `${split}/${path.split("/").at(-1)}` : `${split}${part}${ending}`);
  }
  return { notes: [], classNames: {} };
}

/** The folder, with "/" behind it, below which a split's pictures are: that of its metadata, that called so, or the common one. */
function pictureRoot(split: SplitName, paths: readonly string[]): string {
  const metadata = paths.filter(isMetadata);
  const common = commonFolder(metadata.length === 1 ? metadata : paths);
  const isAbove = (folder: string) => paths.every((path) => path.startsWith(folder));
  if (metadata.length === 1 && isAbove(common)) return common;
  const parts = common.split("/");
  const at = parts.findLastIndex((part) => splitsIn(part).has(split));
  if (at >= 0)
    return parts
      .slice(0, at + 1)
      .map((part) => `${part}/`)
      .join("");
  return common;
}

function commonFolder(paths: readonly string[]): string {
  let common = paths[0]!.split("/").slice(0, -1);
  for (const path of paths) {
    const parts = path.split("/").slice(0, -1);
    const end = common.findIndex((part, i) => part !== parts[i]);
    if (end >= 0) common = common.slice(0, end);
  }
  return common.map((part) => `${part}/`).join("");
}

/** A link to a file, or a copy where links are not allowed (Windows). */
async function link(target: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await symlink(target, path, "file").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "EEXIST") throw error;
    return copyFile(target, path);
  });
}
