import { DiapasonError } from "../../base/errors.ts";
import { listNames } from "../code-points.ts";
import type { SplitName } from "../dataset.ts";
import { type ReadFiles, readFiles } from "./read-files.node.ts";
import type { TextDataset, TextOptions, TextRow, TextSet, TextSplitOptions } from "./text-dataset.ts";
import { findTextFiles } from "./text-files.node.ts";
import { textFindings } from "./text-findings.ts";
import { checkKnown, classesOf } from "./text-labels.ts";
import { limitRows, splitRows } from "./text-splits.ts";

/**
 * Opens rows of text: a file, or a folder with train, validation and test files, in any of the shapes of `textShapes`.
 *
 * Without a validation split a seeded share of the training rows is held out, of each class alike; of whole documents
 * their ends are. Every row is read and checked; the first that does not fit is named with its file and line.
 * @throws data/not-found, data/no-text, data/ambiguous-split, data/bad-text, data/bad-row, data/duplicate-column,
 * data/unknown-shape, data/unknown-column, data/mixed-shapes, data/missing-field, data/wrong-field, data/empty-text,
 * data/bad-messages, data/unknown-label, data/class-too-small, data/bad-option
 */
export async function openTextRows(path: string, options: TextSplitOptions): Promise<TextDataset> {
  const { validationShare, limit } = options;
  if (!(validationShare >= 0 && validationShare < 1) || (limit !== undefined && !(limit >= 1)))
    throw new DiapasonError(
      "data/bad-option",
      `validationShare is ${validationShare} and limit ${limit}; a share is at least 0 and below 1, a limit at least 1.`,
      "Give numbers within these bounds.",
    );
  const files = await findTextFiles(path);
  const read = await readFiles(files, options);
  const parts: Partial<Record<SplitName, readonly TextRow[]>> = {
    ...(read.parts.get("train") && { train: read.parts.get("train")! }),
    ...(read.parts.get("all") && { train: read.parts.get("all")! }),
    ...(read.parts.get("validation") && { validation: read.parts.get("validation")! }),
    ...(read.parts.get("test") && { test: read.parts.get("test")! }),
  };
  const train = parts.train ?? [];
  if (!parts.train && !options.mayLackTraining)
    throw new DiapasonError(
      "data/no-text",
      `"${path}" has ${listNames([...files.parts.values()].flat())}, but no rows to train on.`,
      "Add a file such as train.csv, or name the file itself.",
    );
  const chosen = limit === undefined ? train : limitRows(train, limit, options.seed);
  const given = [...files.parts.values()].flat();
  const split = splitRows(
    { ...parts, train: chosen },
    options,
    listNames(given, 4).replaceAll('"', ""),
    read,
  );
  checkSplitLabels(split.splits, read, options);
  return {
    root: files.root,
    ...describe(read),
    splits: split.splits,
    origin: split.origin,
    ...(read.labels && { labels: read.labels }),
    classes: read.classes,
    findings: [...read.findings, ...textFindings(split.splits, read)],
  };
}

/**
 * Opens rows of which every one counts, such as those to be predicted. Labels are read where there are any.
 * @throws data/ambiguous-split for a folder that holds several splits, and as `openTextRows`
 */
export async function openTextSet(path: string, options: TextOptions = {}): Promise<TextSet> {
  const files = await findTextFiles(path);
  if (files.parts.size > 1)
    throw new DiapasonError(
      "data/ambiguous-split",
      `"${path}" holds several sets of rows: ${listNames([...files.parts.values()].flat())}.`,
      "Name one of them.",
    );
  const read = await readFiles(files, options);
  return {
    root: files.root,
    ...describe(read),
    rows: [...read.parts.values()].flat(),
    findings: read.findings,
  };
}

const describe = ({ found, kind }: ReadFiles) => ({
  shape: found.shape,
  format: `${kind}: ${found.format}`,
  columns: found.columns,
});

/** Every class of validation and test must be one that training has. @throws data/unknown-label */
function checkSplitLabels(splits: TextDataset["splits"], { labels }: ReadFiles, options: TextOptions): void {
  if (labels === undefined || labels === "number" || options.classes) return;
  if (splits.train.length === 0) return;
  const known = new Set(splits.train.flatMap(classesOf));
  for (const split of ["validation", "test"] as const)
    for (const row of splits[split])
      for (const name of classesOf(row)) checkKnown(name, known, row.id, "training");
}
