import { DiapasonError } from "../../base/errors.ts";
import { listNames } from "../../data/code-points.ts";
import type { TextDataset } from "../../data/text/text-dataset.ts";
import { textShapes } from "../../data/text/text-shapes.ts";
import type { EncodedText } from "./job.ts";
import type { TextTaskKind } from "./task-kind.ts";

/**
 * @throws data/unknown-shape where rows are not what a task learns from, data/long-text where it would read one row of a
 * book's length by its first page
 */
export function checkShape<E extends EncodedText, V>(
  { name, shapes, readsPieces }: Pick<TextTaskKind<E, V>, "name" | "shapes" | "readsPieces">,
  {
    origin,
    shape,
    format,
    columns,
    findings,
    splits,
  }: Pick<TextDataset, "origin" | "shape" | "format" | "columns" | "findings" | "splits">,
): void {
  const long = findings.find(({ kind }) => kind === "long-text");
  if (long && !readsPieces)
    throw new DiapasonError(
      "data/long-text",
      long.message,
      `Mend the file there. The task ${name} reads the beginning of a text: cut one that is meant to be so long.`,
    );
  if (shapes.includes(shape)) return;
  const taken = Object.entries(columns).map(([role, name]) => `"${name}" is taken as ${role}`);
  const [row] = [...splits.train, ...splits.validation, ...splits.test];
  const others = Object.keys(row?.fields ?? {}).filter((name) => !Object.values(columns).includes(name));
  const wanted = textShapes.filter((one) => shapes.includes(one.shape) && !one.isPrompt);
  throw new DiapasonError(
    "data/unknown-shape",
    `The rows of ${origin.split(";")[0]} are ${format}; the task ${name} takes ${wanted.map((one) => one.format).join(", or ")}.`,
    `Name the columns (${["textColumn, pairColumn, labelColumn", ...taken, ...(others.length > 0 ? [`not taken: ${listNames(others, 10)}`] : [])].join("; ")}), or choose a task for what the rows are.`,
  );
}

/** @throws data/single-class where all labels are the same, which any model tells and none need learn */
export function checkClasses({
  classes,
  labels,
  columns,
  origin,
}: Pick<TextDataset, "classes" | "labels" | "columns" | "origin">): void {
  if (labels !== "class" || columns.tags !== undefined || classes.length !== 1) return;
  throw new DiapasonError(
    "data/single-class",
    `All rows of ${origin.split(";")[0]} have the label "${classes[0]}".`,
    "Add rows of at least one other class, or name the column that holds labels with --label-column.",
  );
}
