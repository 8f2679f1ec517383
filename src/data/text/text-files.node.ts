import { readdir, stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { DiapasonError } from "../../base/errors.ts";
import { archiveEnding } from "../archives.node.ts";
import type { ClassNames } from "../class-names.ts";
import { compareCodePoints, listNames } from "../code-points.ts";
import type { SplitName } from "../dataset.ts";
import { readFolderClasses } from "../folder-classes.node.ts";
import { splitOf } from "../split-words.ts";
import { isPlainText } from "./plain-text.ts";
import { tableExtension, tableExtensions } from "./table-files.node.ts";

/** Files of rows by split; "all" where nothing divides them. Paths are relative to the root, "/" as separator. */
export interface TextFiles {
  readonly root: string;
  /** What the folder's dataset_info.json says, for files that do not say it themselves. */
  readonly classNames: ClassNames;
  readonly parts: ReadonlyMap<SplitName | "all", readonly string[]>;
}

/**
 * Finds the files of rows under a path: the file itself, or in a folder those whose names, or whose folders' names, say
 * train, validation or test ("train.csv", "reviews-test.jsonl", "data/train-00000-of-00002.parquet", "dev/part.tsv").
 *
 * A folder without such names must hold one file, or files of plain text.
 * @throws data/not-found, data/no-text, data/ambiguous-split
 */
export async function findTextFiles(path: string): Promise<TextFiles> {
  const place = resolve(path);
  const info = await stat(place).catch((cause: unknown) => {
    throw new DiapasonError(
      "data/not-found",
      `There is no file or folder "${path}".`,
      "Give a file of rows, such as reviews.csv, or a folder with train and test files.",
      cause,
    );
  });
  if (!info.isDirectory()) {
    if (tableExtension(place) === undefined)
      throw new DiapasonError(
        "data/no-text",
        `"${path}" is no file of rows that is read: its name ends in none of ${tableExtensions.join(", ")}.`,
        archiveEnding(place)
          ? "Unpack it, and give the file or folder that was in it: archives are read from data sets of the Hub alone."
          : "Save it as CSV or as JSON lines, with the extension that says so.",
      );
    return { root: resolve(place, ".."), classNames: {}, parts: new Map([["all", [basename(place)]]]) };
  }
  const names = (await readdir(place, { recursive: true, encoding: "utf8" }))
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => !name.split("/").some((part) => part.startsWith(".") || part.startsWith("_")))
    .sort(compareCodePoints);
  const files = names.filter(
    (name) =>
      tableExtension(name) !== undefined &&
      !/(^|\/)((readme|license|citation)[^/]*|dataset_info\.json)$/i.test(name),
  );
  if (files.length === 0)
    throw new DiapasonError(
      "data/no-text",
      `"${path}" holds no file of rows: ${listNames(names) || "it is empty"}.`,
      `Put a file such as train.csv or train.jsonl into it; what is read ends in ${tableExtensions.join(", ")}.`,
    );
  const classNames = await readFolderClasses(place);
  const groups = new Map<SplitName, string[]>();
  for (const file of files) {
    const split = splitOfFile(file);
    if (split) groups.set(split, [...(groups.get(split) ?? []), file]);
  }
  if (groups.size > 0) {
    for (const [split, group] of groups) checkGroup(split, group, path);
    return { root: place, classNames, parts: groups };
  }
  if (files.length > 1 && !files.every(isPlainText))
    throw new DiapasonError(
      "data/ambiguous-split",
      `"${path}" holds ${files.length} files of rows, and no name says which is for training: ${listNames(files)}.`,
      "Name one of them, or call them train, validation and test.",
    );
  return { root: place, classNames, parts: new Map([["all", files]]) };
}

/** The split that a file's name, or else one of its folders' from the inside out, speaks of. */
function splitOfFile(file: string): SplitName | undefined {
  for (const part of file.split("/").reverse()) {
    const words = part.toLowerCase().split(/[^a-z]+/);
    const splits = new Set(words.flatMap((word) => splitOf(word) ?? []));
    if (splits.size === 1) return [...splits][0];
  }
  return undefined;
}

/** Several files of one split must be parts of one whole: names that differ in numbers alone, or lie in its folder. */
function checkGroup(split: SplitName, files: readonly string[], path: string): void {
  const inFolder = (file: string) =>
    file
      .split("/")
      .slice(0, -1)
      .some((part) => splitOf(part) !== undefined);
  const forms = new Set(files.map((file) => (inFolder(file) ? "" : file.replace(/\d+/g, "#"))));
  const extensions = new Set(files.map(tableExtension));
  if (forms.size === 1 && extensions.size === 1) return;
  throw new DiapasonError(
    "data/ambiguous-split",
    `"${path}" has ${files.length} files that may be its ${split} rows: ${listNames(files)}.`,
    "Keep one of them, or number them as parts of one whole: train-1.csv, train-2.csv.",
  );
}
