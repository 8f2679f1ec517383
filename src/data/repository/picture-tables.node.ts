import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { asWriteError } from "../../base/atomic-file.node.ts";
import { DiapasonError } from "../../base/errors.ts";
import { workerUrl } from "../../base/worker-url.node.ts";
import type { ClassNames } from "../class-names.ts";
import { badParquet } from "../text/parquet.node.ts";
import { inParquetThread } from "../text/parquet-thread.node.ts";

/** What the thread that takes pictures out of a file is told. */
export interface PictureOptions {
  /** Where the pictures go. */
  readonly folder: string;
  /** The number that the first one's name has. */
  readonly first: number;
  /** Names of classes that the file itself need not say. */
  readonly classNames: ClassNames;
}

/** A picture by its file, with the single values of its row; classes by their names. */
export type PictureRow = Readonly<Record<string, unknown>> & { readonly file_name: string };

/** What a Parquet file with pictures holds beside them. */
export interface PictureTable {
  readonly rows: readonly PictureRow[];
  readonly classNames: ClassNames;
  /** The column of the pictures, and others that have pictures too. */
  readonly picture: string;
  readonly otherPictures: readonly string[];
}

/** What the thread says of a file: what it took out of it (nothing where it has no pictures), or which row has none that is read. */
export type PictureAnswer = { readonly table: PictureTable | undefined } | { readonly mistake: string };

/** A split's pictures in a folder. */
export interface WrittenPictures {
  readonly classNames: ClassNames;
  readonly notes: readonly string[];
  /** Whether no row tells its class, as in a test split whose labels are kept back. */
  readonly isUnlabelled: boolean;
}

/**
 * Takes the pictures out of a split's Parquet files, as Hugging Face's datasets write them (a struct of `bytes` and `path`), into a
 * folder with a metadata.jsonl. Undefined, and nothing written, where the first file has no pictures.
 *
 * `files`: paths with what messages call them.
 * @throws data/bad-row, data/broken-image, base/disk-full, base/not-writable
 */
export async function writePictures(
  files: readonly { readonly path: string; readonly name: string }[],
  folder: string,
  {
    classNames,
    signal,
    onFile,
  }: {
    readonly classNames: ClassNames;
    readonly signal?: AbortSignal | undefined;
    readonly onFile: (done: number, total: number) => void;
  },
): Promise<WrittenPictures | undefined> {
  const worker = workerUrl(import.meta.url, "./picture-worker.node.js");
  const rows: PictureRow[] = [];
  let about: PictureTable | undefined;
  for (const [i, { path, name }] of files.entries()) {
    signal?.throwIfAborted();
    const options: PictureOptions = { folder, first: rows.length, classNames };
    const answer = await inParquetThread<PictureOptions, PictureAnswer>(
      worker,
      await readFile(path).catch((cause: Error) => {
        throw badParquet(name, cause.message);
      }),
      options,
    );
    if (answer.kind === "failed")
      throw answer.code === undefined
        ? badParquet(name, answer.why)
        : asWriteError(Object.assign(new Error(answer.why), { code: answer.code }), folder);
    if ("mistake" in answer.result)
      throw new DiapasonError(
        "data/broken-image",
        `${name}: ${answer.result.mistake}.`,
        "Choose another data set, or give its pictures as files of PNG, JPEG, WebP, GIF, TIFF or AVIF.",
      );
    const { table } = answer.result;
    if (!table && !about) return undefined;
    if (!table) throw badParquet(name, "it has no pictures, and the files before it have");
    about = table;
    for (const row of table.rows) rows.push(row);
    onFile(i + 1, files.length);
  }
  if (!about) return undefined;
  const classColumns = Object.keys(about.classNames);
  const isUnlabelled =
    classColumns.length > 0 &&
    rows.every((row) => !classColumns.some((column) => Object.hasOwn(row, column)));
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "metadata.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  } catch (error) {
    throw asWriteError(error, folder);
  }
  const { picture, otherPictures } = about;
  return {
    classNames: about.classNames,
    isUnlabelled,
    notes: otherPictures.map(
      (column) => `The pictures in the column "${column}" are not used; those in "${picture}" are.`,
    ),
  };
}
