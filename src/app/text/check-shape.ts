import { DiapasonError } from "../../base/errors.ts";
import type { TextDataset } from "../../data/text/text-dataset.ts";
import { textShapes } from "../../data/text/text-shapes.ts";
import type { EncodedText } from "./job.ts";
import type { TextTaskKind } from "./task-kind.ts";

/** @throws data/unknown-shape where rows are not what a task learns from */
export function checkShape<E extends EncodedText, V>(
  { name, shapes }: Pick<TextTaskKind<E, V>, "name" | "shapes">,
  { root, shape, format }: Pick<TextDataset, "root" | "shape" | "format">,
): void {
  if (shapes.includes(shape)) return;
  const wanted = textShapes.filter((one) => shapes.includes(one.shape) && !one.isPrompt);
  throw new DiapasonError(
    "data/unknown-shape",
    `The rows of "${root}" are ${format}; the task ${name} takes ${wanted.map((one) => one.format).join(", or ")}.`,
    "Name the columns (textColumn, pairColumn, labelColumn), or choose a task for what the rows are.",
  );
}
