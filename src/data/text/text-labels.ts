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
  if (labels.length > 0 && labels.every(({ value }) => isListText(value))) return "classes";
  // A number that is none is a mistake among numbers, not a class that makes classes of them.
  const told = labels.filter(({ value }) => !isNoNumber(value));
  const areNumbers = told.length > 0 && told.every(({ value }) => isNumber(value));
  if (areNumbers && told.some(({ value }) => !Number.isInteger(Number(value)))) return "number";
  return "class";
}

/** A list as CSV files hold it. */
const isListText = (value: unknown): boolean => typeof value === "string" && /^\s*\[.*\]\s*$/s.test(value);

const isNoNumber = (value: unknown): boolean =>
  typeof value === "number"
    ? !Number.isFinite(value)
    : /^\s*(nan|[-+]?inf(inity)?|n\/?a|none|null)\s*$/i.test(String(value));

/** Labels that say 0 or 1 of every class, as lists of the classes that are 1; undefined for labels of another kind. */
export interface SpelledLabels {
  readonly labels: readonly RawLabel[];
  /** Names of the classes, also of those that no row has. */
  readonly classes: readonly string[];
}

/**
 * Understands labels of which each holds a 0 or 1 for every class: lists of one length, where classes are called by their
 * places, or objects by the classes' names. Lists of two are so read where one of them could not be a list of classes.
 */
export function spellOut(labels: readonly RawLabel[]): SpelledLabels | undefined {
  const values = labels.map(({ value }) => value);
  if (values.length === 0) return undefined;
  if (values.every(isFlags)) {
    const classes = [...new Set(values.flatMap((flags) => Object.keys(flags)))].sort(compareCodePoints);
    return spelled(labels, classes, (value, name) => isSet((value as Flags)[name]));
  }
  const width = Array.isArray(values[0]) ? values[0].length : 0;
  if (width < 2 || !values.every((value) => isRowOf(value, width))) return undefined;
  const lists = values as readonly (readonly unknown[])[];
  if (width === 2 && lists.every(([one, other]) => !isSet(one) && isSet(other))) return undefined;
  const classes = Array.from({ length: width }, (_, i) => String(i));
  return spelled(labels, classes, (value, name) => isSet((value as readonly unknown[])[Number(name)]));
}

type Flags = Readonly<Record<string, unknown>>;

const spelled = (
  labels: readonly RawLabel[],
  classes: readonly string[],
  has: (value: unknown, name: string) => boolean,
): SpelledLabels => ({
  labels: labels.map((label) => ({ ...label, value: classes.filter((name) => has(label.value, name)) })),
  classes,
});

const isSet = (flag: unknown): boolean => flag === 1 || flag === true;
const isFlag = (value: unknown): boolean => value === 0 || value === 1 || typeof value === "boolean";
const isRowOf = (value: unknown, width: number): boolean =>
  Array.isArray(value) && value.length === width && value.every(isFlag);
const isFlags = (value: unknown): value is Flags =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  Object.keys(value).length > 0 &&
  Object.values(value).every(isFlag);

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
      'Fill it in, or remove the row; where a text has any number of classes, also none, say so (labels: "classes").',
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
      : of === "training"
        ? "Add training rows with this label, or remove the row."
        : "Write the names that the model's classes have, or for all rows their places, counted from 0; or remove the row.",
  );
}

/** Names of the classes of a row: of its label, its labels or its tags. */
export function classesOf({ values: { label, tags } }: TextRow): readonly string[] {
  if (tags !== undefined) return tags;
  return label === undefined || typeof label === "number" ? [] : typeof label === "string" ? [label] : label;
}
