import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { asWriteError } from "../../base/atomic-file.node.ts";
import { DiapasonError } from "../../base/errors.ts";
import { archiveEnding, unpackArchive } from "../archives.node.ts";
import type { SplitName } from "../dataset.ts";
import { type DataFiles, inferredSplits } from "./data-files.node.ts";
import { commonFamily, countKinds, filesOfFamily, isImage, isMetadata } from "./file-kinds.node.ts";
import { servingSplits } from "./split-names.ts";

/** Raised when what is unpacked changes, so that what an older version unpacked is not used. */
const layout = 1;
/** Where it is written which files there are, when all of them are. */
const listing = ".unpacked.json";

export interface UnpackOptions {
  /** Where the files lie. */
  readonly root: string;
  /** Folder of folders like the one that is made. */
  readonly within: string;
  readonly signal?: AbortSignal | undefined;
  /** Of how many archives the files are out. */
  readonly onUnpacked?: ((done: number, total: number) => void) | undefined;
}

/**
 * Unpacks the archives among the chosen files; the files of a split are those of its archives from then on. Files that hold no
 * archive come back as they are. Archives of one split whose contents speak of splits are those splits.
 *
 * @throws data/no-data-files where nothing in them is read, and what unpackArchive throws
 */
export async function unpackArchives(
  files: DataFiles,
  options: UnpackOptions,
): Promise<{ readonly files: DataFiles; readonly root: string }> {
  const { root, within } = options;
  if (![...files.parts.values()].flat().some(archiveEnding)) return { files, root };
  const key = JSON.stringify([layout, resolve(root), [...files.parts]]);
  const mark = createHash("sha256").update(key).digest("hex").slice(0, 12);
  const path = join(within, `archives-${mark}`);
  const unpacked = (await keptListing(path)) ?? (await unpackInto(path, files, options));
  return { files: readable(files, new Map(unpacked)), root: path };
}

type Listing = readonly (readonly [SplitName, readonly string[]])[];

const keptListing = async (path: string): Promise<Listing | undefined> => {
  const text = await readFile(join(path, listing), "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Listing);
};

async function unpackInto(
  path: string,
  files: DataFiles,
  { root, signal, onUnpacked }: UnpackOptions,
): Promise<Listing> {
  const draft = `${path}.${randomBytes(4).toString("hex")}.tmp`;
  const all = [...files.parts.values()].flat();
  let done = 0;
  try {
    const parts: [SplitName, string[]][] = [];
    for (const [index, [split, own]] of [...files.parts].entries()) {
      // a number, so that no name but the archive's own speaks of a split
      const part = String(index);
      const found: string[] = [];
      for (const one of own) {
        signal?.throwIfAborted();
        const apart = join(draft, ".next");
        await mkdir(apart, { recursive: true });
        const inner = await innerFiles(join(root, one), one, apart);
        for (const [from, to] of places(inner, one, (file) => existsSync(join(draft, part, file)))) {
          await mkdir(dirname(join(draft, part, to)), { recursive: true });
          await rename(join(apart, from), join(draft, part, to));
          found.push(`${part}/${to}`);
        }
        await rm(apart, { recursive: true, force: true });
        onUnpacked?.(++done, all.length);
      }
      parts.push([split, found]);
    }
    await writeFile(join(draft, listing), JSON.stringify(parts));
    await rm(path, { recursive: true, force: true });
    await rename(draft, path);
    return parts;
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    // Another process may have been faster, and what it made is the same.
    const made = await keptListing(path);
    if (made) return made;
    throw asWriteError(error, path);
  }
}

/** The files of an archive; one that is none, such as metadata beside archives, is its own. */
async function innerFiles(path: string, name: string, folder: string): Promise<readonly string[]> {
  if (archiveEnding(name)) return unpackArchive(path, name, folder);
  await copyFile(path, join(folder, basename(name)));
  return [basename(name)];
}

/**
 * Where the files of an archive go among those of others: as they are, without a folder that is called like the archive around
 * further ones, and in a folder of the archive's name where one of another archive is there already.
 */
function places(
  files: readonly string[],
  archive: string,
  isThere: (file: string) => boolean,
): readonly (readonly [string, string])[] {
  const stem = basename(archive).slice(0, -(archiveEnding(archive) ?? "").length || undefined);
  const around = `${stem}/`;
  const isWrapped = files.every((file) => file.startsWith(around) && file.slice(around.length).includes("/"));
  const plain = files.map((file) => [file, isWrapped ? file.slice(around.length) : file] as const);
  return plain.some(([, to]) => isThere(to)) ? plain.map(([file, to]) => [file, around + to]) : plain;
}

/** What is read of the unpacked files, by split. */
function readable(files: DataFiles, unpacked: ReadonlyMap<SplitName, readonly string[]>): DataFiles {
  const [only, ...others] = unpacked;
  const stem = "0/";
  const inner =
    only && others.length === 0 ? inferredSplits(only[1].map((file) => file.slice(stem.length))) : undefined;
  const serving =
    inner && inner.size > 1
      ? servingSplits(new Map([...inner].map(([split, own]) => [split, own.map((file) => stem + file)])))
      : { parts: unpacked, notes: [] };
  const all = [...serving.parts.values()].flat();
  const family = commonFamily(all);
  refuseWebDataset(files, all);
  if (family === undefined)
    throw new DiapasonError(
      "data/no-data-files",
      `The archives of the data set hold no data files that are read: ${countKinds(all) || "nothing"}.`,
      "Download and unpack them, bring the data into CSV, JSON lines or folders of pictures, and give that folder.",
    );
  const parts = [...serving.parts].flatMap(([split, own]) => {
    const read = filesOfFamily(own, family);
    return read.some((path) => !isMetadata(path)) ? [[split, read] as const] : [];
  });
  return { ...files, parts: new Map(parts), notes: [...files.notes, ...serving.notes] };
}

/** @throws data/no-data-files for pictures that each have a file of the same name which says what they show */
function refuseWebDataset(files: DataFiles, all: readonly string[]): void {
  const archives = [...files.parts.values()].flat();
  if (!archives.some((path) => archiveEnding(path) !== ".zip")) return;
  const stemOf = (path: string) => path.replace(/\.[^./]+$/, "");
  const told = new Set(all.filter((path) => /\.(cls|json|txt)$/i.test(path)).map(stemOf));
  const pictures = all.filter(isImage);
  if (told.size === 0 || pictures.filter((path) => told.has(stemOf(path))).length * 2 < pictures.length + 1)
    return;
  throw new DiapasonError(
    "data/no-data-files",
    "The archives of the data set are a WebDataset: each picture has a file of the same name beside it that says what it shows.",
    'Give the copy in Parquet, "org/name@refs/convert/parquet"; or unpack the files into a folder for each class.',
  );
}
