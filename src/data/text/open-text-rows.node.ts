import { DiapasonError } from "../../base/errors.ts";
import { listNames } from "../code-points.ts";
import type { DataFinding, SplitName } from "../dataset.ts";
import { type RawRow, readValues } from "./read-values.ts";
import { readTable, type Table } from "./table-files.node.ts";
import type {
  LabelKind,
  TextDataset,
  TextOptions,
  TextRow,
  TextSet,
  TextSplitOptions,
  TextValues,
} from "./text-dataset.ts";
import { findTextFiles, type TextFiles } from "./text-files.node.ts";
import { textFindings } from "./text-findings.ts";
import { checkKnown, labelKindOf, type RawLabel, readLabel, readTags, sortClasses } from "./text-labels.ts";
import { type FoundShape, findShape } from "./text-shapes.ts";
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
  const { train } = parts;
  if (!train)
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

/** Everything read, before it is split. */
export interface ReadFiles {
  readonly found: FoundShape;
  readonly kind: string;
  readonly parts: ReadonlyMap<SplitName | "all", readonly TextRow[]>;
  readonly labels?: LabelKind;
  readonly classes: readonly string[];
  readonly findings: readonly DataFinding[];
}

interface Opened {
  readonly split: SplitName | "all";
  readonly file: string;
  readonly table: Table;
}

async function readFiles(files: TextFiles, options: TextOptions): Promise<ReadFiles> {
  const opened: Opened[] = [];
  for (const [split, names] of files.parts)
    for (const file of names)
      opened.push({ split, file, table: await readTable(`${files.root}/${file}`, file, options) });
  // The training file says what the others must be.
  const first = opened.find(
    ({ split, table }) => (split === "train" || split === "all") && table.rows.length > 0,
  );
  const model = first ?? opened.find(({ table }) => table.rows.length > 0);
  if (!model)
    throw new DiapasonError(
      "data/no-text",
      `${listNames(opened.map(({ file }) => file)).replaceAll('"', "")}: there are no rows.`,
      "Write a header and a row for each example.",
    );
  const found = findShape(model.table.columns, firstRow(model.table), options, model.file);
  const findings: DataFinding[] = [];
  const read = opened.flatMap((file) => readRows(file, found, options, findings));
  const labelled = read.filter(({ label }) => label !== undefined);
  const isTags = found.columns.tags !== undefined;
  const labels =
    labelled.length === 0
      ? undefined
      : isTags
        ? "class"
        : labelKindOf(
            labelled.map(({ label }) => label!),
            options,
          );
  const names = classNamesOf(model.table, found, labels);
  const parts = new Map<SplitName | "all", TextRow[]>();
  for (const { split, row, label } of read) {
    const values: TextValues =
      label === undefined || labels === undefined
        ? row.values
        : isTags
          ? { ...row.values, tags: readTags(label, row.values.tokens!, names) }
          : {
              ...row.values,
              label: readLabel(label, labels, {
                ...(names && { names }),
                ...(options.labelSeparator !== undefined && { separator: options.labelSeparator }),
              }),
            };
    const part = parts.get(split) ?? [];
    part.push({ ...row, values });
    parts.set(split, part);
  }
  const all = [...parts.values()].flat();
  const classes =
    labels === undefined || labels === "number"
      ? []
      : (options.classes ?? names ?? sortClasses(all.flatMap(classesOf), isTags));
  if (options.classes) {
    const known = new Set(options.classes);
    for (const row of all) for (const name of classesOf(row)) checkKnown(name, known, row.id, "given");
  }
  return { found, kind: model.table.kind, parts, ...(labels && { labels }), classes, findings };
}

/** Names of the classes of a row: of its label, its labels or its tags. */
export function classesOf({ values: { label, tags } }: TextRow): readonly string[] {
  if (tags !== undefined) return tags;
  return label === undefined || typeof label === "number" ? [] : typeof label === "string" ? [label] : label;
}

/** The first row, with what later rows have where it has nothing. */
function firstRow({ rows, columns }: Table): Readonly<Record<string, unknown>> {
  const first: Record<string, unknown> = {};
  for (const column of columns) {
    const row = rows.find(
      ({ fields }) => fields[column] !== undefined && fields[column] !== null && fields[column] !== "",
    );
    if (row) first[column] = row.fields[column];
  }
  return first;
}

interface ReadRow {
  readonly split: SplitName | "all";
  readonly row: TextRow;
  readonly label?: RawLabel;
}

/** Rows of a file with their values; the first that does not fit is thrown, with the number of others. */
function readRows(
  { split, file, table }: Opened,
  found: FoundShape,
  options: TextOptions,
  findings: DataFinding[],
): ReadRow[] {
  const read: ReadRow[] = [];
  const empty: number[] = [];
  const bad: { readonly error: DiapasonError; readonly line: number }[] = [];
  const wanted = Object.values(found.columns);
  for (const { line, fields } of table.rows) {
    const where = `${file}:${line}`;
    if (
      wanted.every(
        (column) => fields[column] === undefined || fields[column] === null || fields[column] === "",
      )
    ) {
      if (Object.values(fields).every((value) => value === "" || value === null)) {
        empty.push(line);
        continue;
      }
      checkShape(fields, found, options, where);
    }
    try {
      const label = labelOf(found, fields, where);
      read.push({
        split,
        row: { id: where, file, line, fields, values: readValues(found, fields, where) },
        ...(label && { label }),
      });
    } catch (error) {
      if (!(error instanceof DiapasonError)) throw error;
      bad.push({ error, line });
    }
  }
  if (bad[0])
    throw withOthers(
      bad[0].error,
      bad.slice(1).map(({ line }) => line),
    );
  if (empty.length > 0)
    findings.push({
      kind: "empty-rows",
      message: `${file}: ${empty.length} empty rows are left out (lines ${listLines(empty)}).`,
    });
  return read;
}

const listLines = (lines: readonly number[]): string =>
  lines.slice(0, 5).join(", ") + (lines.length > 5 ? ", …" : "");

function withOthers(error: DiapasonError, others: readonly number[]): DiapasonError {
  if (others.length === 0) return error;
  return new DiapasonError(
    error.code,
    `${error.message} ${others.length} more rows do not fit either (lines ${listLines(others)}).`,
    error.fix,
    error.cause,
  );
}

/** A row without any of the columns: where it is of another shape, that is said. @throws data/mixed-shapes */
function checkShape(fields: RawRow["fields"], found: FoundShape, options: TextOptions, where: string): void {
  const own = Object.keys(fields);
  const columns = Object.values(found.columns);
  if (own.some((column) => columns.includes(column))) return;
  let other: string;
  try {
    other = `is of the shape "${findShape(own, fields, options, where).format}"`;
  } catch {
    other = `has ${listNames(own)}`;
  }
  throw new DiapasonError(
    "data/mixed-shapes",
    `${where}: this row ${other}, where the first has ${listNames(columns)}.`,
    "Write all rows in one shape; keep others in files of their own.",
  );
}

/** The raw label or tags of a row, where the shape has them. */
function labelOf(found: FoundShape, fields: RawRow["fields"], where: string): RawLabel | undefined {
  const column = found.columns.label ?? found.columns.tags;
  if (column === undefined) return undefined;
  if (!found.labelColumns) return { value: fields[column], column, where };
  const set = found.labelColumns.filter((name) => {
    const text = String(fields[name] ?? "")
      .trim()
      .toLowerCase();
    if (text === "1" || text === "true" || text === "1.0") return true;
    if (text === "0" || text === "false" || text === "0.0" || text === "") return false;
    throw new DiapasonError(
      "data/wrong-field",
      `${where}: "${name}" holds ${JSON.stringify(fields[name])}; expected 0 or 1, as several columns are the label.`,
      "Mend the row, or name one column as the label.",
    );
  });
  return { value: set, column, where };
}

/** Names of numbered classes, from the file's own description or from a column of names beside the numbers. */
function classNamesOf(
  table: Table,
  found: FoundShape,
  labels: LabelKind | undefined,
): readonly string[] | undefined {
  const column = found.columns.label ?? found.columns.tags;
  if (column === undefined || labels === "number") return undefined;
  const values = table.rows.flatMap(({ fields }) => fields[column]);
  const areNumbers = values.every((value) => /^\d+$/.test(String(value)));
  return areNumbers ? table.classNames?.[column] : undefined;
}

/** Every class of validation and test must be one that training has. @throws data/unknown-label */
function checkSplitLabels(splits: TextDataset["splits"], { labels }: ReadFiles, options: TextOptions): void {
  if (labels === undefined || labels === "number" || options.classes) return;
  const known = new Set(splits.train.flatMap(classesOf));
  for (const split of ["validation", "test"] as const)
    for (const row of splits[split])
      for (const name of classesOf(row)) checkKnown(name, known, row.id, "training");
}
