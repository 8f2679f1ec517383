import { DiapasonError } from "../../base/errors.ts";
import type { ClassNames } from "../class-names.ts";
import { listNames } from "../code-points.ts";
import type { DataFinding, SplitName } from "../dataset.ts";
import { type FoundShape, findShape } from "./find-shape.ts";
import { isMissing, type RawRow, readValues } from "./read-values.ts";
import { readTable, type Table } from "./table-files.node.ts";
import type { LabelKind, TextOptions, TextRow, TextValues } from "./text-dataset.ts";
import type { TextFiles } from "./text-files.node.ts";
import {
  checkKnown,
  classesOf,
  labelKindOf,
  type RawLabel,
  readLabel,
  readTags,
  sortClasses,
  spellOut,
} from "./text-labels.ts";

/** Everything read from the files of a dataset, before it is split. */
export interface ReadFiles {
  readonly found: FoundShape;
  /** What sort of files they are, for the user. */
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

/** Reads and checks every row of the files. The training file says what the others must be. */
export async function readFiles(files: TextFiles, options: TextOptions): Promise<ReadFiles> {
  const opened: Opened[] = [];
  for (const [split, names] of files.parts)
    for (const file of names)
      opened.push({ split, file, table: await readTable(`${files.root}/${file}`, file, options) });
  const model =
    opened.find(({ split, table }) => (split === "train" || split === "all") && table.rows.length > 0) ??
    opened.find(({ table }) => table.rows.length > 0);
  if (!model)
    throw new DiapasonError(
      "data/no-text",
      `${listNames(opened.map(({ file }) => file)).replaceAll('"', "")}: there are no rows.`,
      "Write a header and a row for each example.",
    );
  const found = findTableShape(model.table, options, model.file);
  const findings: DataFinding[] = [];
  const every = opened.flatMap((file) => readRows(file, found, options, findings));
  const named = classNamesOf(model.table, found, files.classNames);
  const read = withoutHidden(every, named !== undefined, findings);
  const isTags = found.columns.tags !== undefined;
  const given = read.flatMap(({ label }) => label ?? []);
  const counted = named ? undefined : countedClasses(given, options.classes);
  const spelled = isTags ? undefined : spellOut(given);
  const raw = spelled?.labels ?? given;
  const labels = raw.length === 0 ? undefined : isTags ? "class" : labelKindOf(raw, options);
  const labelOfRow = new Map(given.map((label, i) => [label, raw[i]!]));
  const names = labels === "number" ? undefined : (named ?? counted);
  if (counted && names)
    findings.push({
      kind: "numbered-classes",
      message: `Labels are numbers, taken as the places of the given classes: ${listNames(
        counted.map((name, i) => `${i} ${name}`),
        4,
      ).replaceAll('"', "")}.`,
    });
  const withLabel = ({ row, label }: ReadRow): TextValues => {
    if (label === undefined || labels === undefined) return row.values;
    const told = labelOfRow.get(label)!;
    if (isTags) return { ...row.values, tags: readTags(label, row.values.tokens!, names) };
    const { labelSeparator: separator } = options;
    return {
      ...row.values,
      label: readLabel(told, labels, {
        ...(names && { names }),
        ...(separator !== undefined && { separator }),
      }),
    };
  };
  const parts = new Map<SplitName | "all", TextRow[]>();
  for (const { split } of read) if (!parts.has(split)) parts.set(split, []);
  eachOrThrow(
    read,
    ({ row }) => row.line,
    (one) => parts.get(one.split)!.push({ ...one.row, values: withLabel(one) }),
  );
  const all = [...parts.values()].flat();
  const hasClasses = labels !== undefined && labels !== "number";
  if (hasClasses && options.classes) {
    const known = new Set(options.classes);
    for (const row of all) for (const name of classesOf(row)) checkKnown(name, known, row.id, "given");
  }
  if (isTags && names === undefined && raw.length > 0 && all.every(hasNumberTags))
    findings.push({
      kind: "unnamed-tags",
      message:
        "The tags are numbers, and nothing says their names: 0 counts as an entity like the others. Write names, such as O and B-PER, or take Parquet files, which hold them.",
    });
  const classes = hasClasses
    ? (options.classes ?? names ?? spelled?.classes ?? sortClasses(all.flatMap(classesOf), isTags))
    : [];
  return { found, kind: model.table.kind, parts, ...(labels && { labels }), classes, findings };
}

/**
 * The shape of a table's rows: that of all its columns, unless the first row has none of those, as where rows of two
 * shapes are mixed; it is the first row's then.
 */
function findTableShape({ columns, rows }: Table, options: TextOptions, file: string): FoundShape {
  const own = Object.keys(rows[0]!.fields);
  const values: Record<string, unknown> = {};
  for (const column of columns) {
    const row = rows.find(({ fields }) => !isMissing(fields[column]));
    if (row) values[column] = row.fields[column];
  }
  const found = findShape(columns, values, options, file);
  if (Object.values(found.columns).some((column) => own.includes(column))) return found;
  return findShape(own, rows[0]!.fields, options, file);
}

const hasNumberTags = ({ values }: TextRow): boolean =>
  values.tags?.every((tag) => /^\d+$/.test(tag)) === true;

interface ReadRow {
  readonly split: SplitName | "all";
  readonly row: TextRow;
  readonly label?: RawLabel;
}

/** Rows of a file with their values, but for the label. Rows of which every field is empty are left out. */
function readRows(
  { split, file, table }: Opened,
  found: FoundShape,
  options: TextOptions,
  findings: DataFinding[],
): readonly ReadRow[] {
  const read: ReadRow[] = [];
  const empty: number[] = [];
  const wanted = Object.values(found.columns);
  let [last, nth] = [0, 0];
  eachOrThrow(
    table.rows,
    ({ line }) => line,
    ({ line, fields }) => {
      [last, nth] = [line, line === last ? nth + 1 : 1];
      // A JSON list may lie in one line; each row has a name of its own all the same, by which it is found again.
      const where = nth === 1 ? `${file}:${line}` : `${file}:${line} row ${nth}`;
      if (Object.values(fields).every((value) => value === "" || value === null)) {
        empty.push(line);
        return;
      }
      if (!wanted.some((column) => Object.hasOwn(fields, column))) throw mixed(fields, found, options, where);
      const label = labelOf(found, fields, where);
      read.push({
        split,
        row: { id: where, file, line, fields, values: readValues(found, fields, where) },
        ...(label && { label }),
      });
    },
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

/** Does something with every item; the first mistake is thrown at the end, with the lines of the others. */
function eachOrThrow<T>(items: readonly T[], lineOf: (item: T) => number, read: (item: T) => void): void {
  let first: DiapasonError | undefined;
  const others: number[] = [];
  for (const item of items) {
    try {
      read(item);
    } catch (error) {
      if (!(error instanceof DiapasonError)) throw error;
      if (first) others.push(lineOf(item));
      first ??= error;
    }
  }
  if (!first) return;
  if (others.length === 0) throw first;
  throw new DiapasonError(
    first.code,
    `${first.message} ${others.length} more rows do not fit either (lines ${listLines(others)}).`,
    first.fix,
    first.cause,
  );
}

/** A row that has none of the columns: which shape it is of, where it is of one. */
function mixed(
  fields: RawRow["fields"],
  found: FoundShape,
  options: TextOptions,
  where: string,
): DiapasonError {
  const own = Object.keys(fields);
  let what: string;
  try {
    what = `is of the shape "${findShape(own, fields, options, where).format}"`;
  } catch {
    what = `has ${listNames(own)}`;
  }
  return new DiapasonError(
    "data/mixed-shapes",
    `${where}: this row ${what}, where the first has ${listNames(Object.values(found.columns))}.`,
    "Write all rows in one shape; keep others in files of their own.",
  );
}

/** The label or the tags of a row as the file has them, where the shape has them. */
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

/** Names of numbered classes, where the file or else its folder says them. −1 stands for a class that is not told. */
function classNamesOf(
  { rows, classNames = {} }: Table,
  { columns }: FoundShape,
  ofFolder: ClassNames,
): readonly string[] | undefined {
  const column = columns.label ?? columns.tags;
  if (column === undefined) return undefined;
  const said = [classNames, ofFolder].find((names) => Object.hasOwn(names, column));
  const areNumbers = () =>
    rows.every(({ fields }) => [fields[column]].flat().every((value) => /^(\d+|-1)$/.test(String(value))));
  return said && areNumbers() ? said[column] : undefined;
}

/** The given classes, where labels are their places in the order that they are given in, and no class is called by a number itself. */
function countedClasses(
  labels: readonly RawLabel[],
  classes: readonly string[] | undefined,
): readonly string[] | undefined {
  if (!classes || labels.length === 0 || classes.some((name) => /^-?\d+$/.test(name))) return undefined;
  const numbers = labels.flatMap(({ value }) =>
    Array.isArray(value) ? value : String(value ?? "").match(/[^\s,|[\]]+/g),
  );
  const arePlaces = numbers.every(
    (n) => n === null || (/^\d+$/.test(String(n)) && Number(n) < classes.length),
  );
  return arePlaces && numbers.some((n) => n !== null) ? classes : undefined;
}

/**
 * Rows without those of splits of which none has a label, where training has labels: nothing can be proved by them.
 * Benchmarks write −1 into what they keep to themselves; it is a class where classes have no names and training has it too.
 */
function withoutHidden(
  read: readonly ReadRow[],
  areNamed: boolean,
  findings: DataFinding[],
): readonly ReadRow[] {
  const trained = read.filter(({ split, label }) => label && (split === "train" || split === "all"));
  const isMinusOne = (label: RawLabel | undefined) => String(label?.value) === "-1";
  const isClass = !areNamed && trained.some(({ label }) => isMinusOne(label));
  const isTold = ({ label }: ReadRow) => label && !isMissing(label.value) && (isClass || !isMinusOne(label));
  if (!trained.some(isTold)) return read;
  const told = new Set<SplitName | "all">(["train", "all"]);
  for (const row of read) if (isTold(row)) told.add(row.split);
  const hidden = new Set(read.map(({ split }) => split).filter((split) => !told.has(split)));
  for (const split of hidden)
    findings.push({
      kind: "hidden-labels",
      message: `The ${split} rows have no labels (missing or −1 in every one), and are left out.`,
    });
  return hidden.size === 0 ? read : read.filter(({ split }) => !hidden.has(split));
}
