import { DiapasonError, nearest } from "../../base/errors.ts";
import { compareCodePoints, listNames } from "../code-points.ts";
import { listOf } from "./read-values.ts";
import type { LabelKind, TextOptions, TextRow } from "./text-dataset.ts";
import { wrong } from "./wrong-field.ts";

/** A row's label (or tags) as its file has it. */
export interface RawLabel {
  readonly value: unknown;
  /** The column, for messages. */
  readonly column: string;
  /** The row, for messages. */
  readonly where: string;
}

/**
 * What a set of labels is: lists are "classes", numbers of which one has a fraction "number", all else "class".
 */
export function labelKindOf(labels: readonly RawLabel[], options: TextOptions): LabelKind {
  if (options.labels !== undefined) return options.labels;
  if (Array.isArray(options.labelColumn) && options.labelColumn.length > 1) return "classes";
  if (labels.some(({ value }) => Array.isArray(value))) return "classes";
  const areNumbers = labels.length > 0 && labels.every(({ value }) => isNumber(value));
  if (areNumbers && labels.some(({ value }) => !Number.isInteger(Number(value)))) return "number";
  return "class";
}

const isNumber = (value: unknown): boolean =>
  (typeof value === "number" && Number.isFinite(value)) ||
  (typeof value === "string" && /^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(value));

/** A label understood: a class's name, several, or a number. @throws data/missing-field, data/wrong-field */
export function readLabel(
  { value, column, where }: RawLabel,
  kind: LabelKind,
  { names, separator }: { readonly names?: readonly string[]; readonly separator?: string },
): string | readonly string[] | number {
  if (kind === "classes") {
    if (Array.isArray(value)) return value.map((item) => className(item, column, where, names));
    if (value === undefined || value === null || value === "") return [];
    const text = String(value);
    if (text.trimStart().startsWith("["))
      return listOf(text, column, where).map((item) => className(item, column, where, names));
    const mark = separator ?? (text.includes("|") ? "|" : ",");
    return text
      .split(mark)
      .map((part) => part.trim())
      .filter((part) => part !== "")
      .map((part) => className(part, column, where, names));
  }
  if (value === undefined || value === null || (typeof value === "string" && value.trim() === ""))
    throw new DiapasonError(
      "data/missing-field",
      `${where}: the label in "${column}" is missing.`,
      "Fill it in, or remove the row.",
    );
  if (kind === "number") {
    if (!isNumber(value)) throw wrong(value, column, where, "a number");
    return Number(value);
  }
  return className(value, column, where, names);
}

function className(
  value: unknown,
  column: string,
  where: string,
  names: readonly string[] | undefined,
): string {
  if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean")
    throw wrong(value, column, where, "the name or the number of a class");
  if (names === undefined) return String(value).trim();
  const name = names[Number(value)];
  if (name === undefined)
    throw wrong(value, column, where, `the number of a class, 0 to ${names.length - 1}`);
  return name;
}

/** Tags of a row's tokens. @throws data/wrong-field when they are not as many */
export function readTags(
  { value, column, where }: RawLabel,
  tokens: readonly string[],
  names: readonly string[] | undefined,
): readonly string[] {
  const tags = listOf(value, column, where).map((tag) => className(tag, column, where, names));
  if (tags.length !== tokens.length)
    throw new DiapasonError(
      "data/wrong-field",
      `${where}: there are ${tokens.length} tokens and ${tags.length} tags in "${column}".`,
      "Give every token one tag.",
    );
  return tags;
}

/** Class names in order: numbers by their size, names by code point; "O", which is no entity, first among tags. */
export function sortClasses(names: Iterable<string>, isTag: boolean): readonly string[] {
  const all = [...new Set(names)];
  if (all.every((name) => /^-?\d+$/.test(name))) return all.sort((a, b) => Number(a) - Number(b));
  return all.sort((a, b) =>
    isTag && (a === "O" || b === "O") ? (a === "O" ? -1 : 1) : compareCodePoints(a, b),
  );
}

/** @throws data/unknown-label for a class that is not among `classes` */
export function checkKnown(
  name: string,
  classes: ReadonlySet<string>,
  where: string,
  of: "training" | "given",
): void {
  if (classes.has(name)) return;
  const near = nearest(name, classes);
  const known = of === "training" ? "none of the training rows has" : "is none of the given classes";
  throw new DiapasonError(
    "data/unknown-label",
    of === "training"
      ? `${where}: the label "${name}", which ${known}; they have ${listNames([...classes], 10)}.`
      : `${where}: the label "${name}" ${known}: ${listNames([...classes], 10)}.`,
    near
      ? `Did you mean "${near}"? Else remove the row.`
      : "Add training rows with this label, or remove the row.",
  );
}

/** Names of the classes of a row: of its label, its labels or its tags. */
export function classesOf({ values: { label, tags } }: TextRow): readonly string[] {
  if (tags !== undefined) return tags;
  return label === undefined || typeof label === "number" ? [] : typeof label === "string" ? [label] : label;
}
