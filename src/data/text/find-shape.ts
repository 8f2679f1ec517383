import { DiapasonError, nearest } from "../../base/errors.ts";
import { listNames } from "../code-points.ts";
import type { TextColumns, TextOptions, TextRole, TextShapeName } from "./text-dataset.ts";
import { type TextShape, textShapes, type ValueKind } from "./text-shapes.ts";

/** Which option names the column of a role. */
const optionOf: { readonly [R in TextRole]?: "textColumn" | "pairColumn" | "labelColumn" } = {
  text: "textColumn",
  tokens: "textColumn",
  anchor: "textColumn",
  messages: "textColumn",
  pair: "pairColumn",
  positive: "pairColumn",
  label: "labelColumn",
  tags: "labelColumn",
  score: "labelColumn",
};

/** A shape found in a file, with its columns. */
export interface FoundShape {
  readonly shape: TextShapeName;
  readonly format: string;
  readonly columns: TextColumns;
  /** Where several columns of 0 and 1 are the label: one class each. */
  readonly labelColumns?: readonly string[];
}

/** What the kinds of values in a file's first row allow. */
type FirstRow = Readonly<Record<string, unknown>>;

/**
 * The shape of rows that have these columns.
 *
 * `first`: a row, which tells lists from texts under the same name.
 * @throws data/unknown-column for a column that an option names and the file lacks, data/unknown-shape
 */
export function findShape(
  columns: readonly string[],
  first: FirstRow,
  options: TextOptions,
  where: string,
): FoundShape {
  const given = overrides(columns, options, where);
  for (const shape of textShapes) {
    if (options.shape !== undefined && options.shape !== shape.shape) continue;
    if (shape.isPrompt && !options.prompts) continue;
    const found = match(shape, columns, first, given);
    if (!found) continue;
    const several = given.labelColumns !== undefined && found["label"] !== undefined;
    return {
      shape: shape.shape,
      format: shape.format,
      columns: found,
      ...(several && { labelColumns: given.labelColumns! }),
    };
  }
  throw new DiapasonError(
    "data/unknown-shape",
    `${where} has the columns ${listNames(columns, 20)}, which are no known shape${options.shape ? ` of "${options.shape}"` : ""}.`,
    `Name the columns, such as textColumn and labelColumn, or rename them to "text" and "label" (the first line of a CSV file names its columns); docs/text-data.md lists every shape.`,
  );
}

interface Overrides {
  readonly textColumn?: string;
  readonly pairColumn?: string;
  readonly labelColumn?: string;
  readonly labelColumns?: readonly string[];
}

function overrides(columns: readonly string[], options: TextOptions, where: string): Overrides {
  const { textColumn, pairColumn, labelColumn } = options;
  const labels =
    labelColumn === undefined ? [] : typeof labelColumn === "string" ? [labelColumn] : labelColumn;
  for (const name of [textColumn, pairColumn, ...labels]) {
    if (name === undefined || columns.includes(name)) continue;
    const near = nearest(name, columns);
    throw new DiapasonError(
      "data/unknown-column",
      `${where} has no column "${name}"; its columns are ${listNames(columns, 20)}.`,
      near ? `Did you mean "${near}"?` : "Name one of them.",
    );
  }
  return {
    ...(textColumn !== undefined && { textColumn }),
    ...(pairColumn !== undefined && { pairColumn }),
    ...(labels[0] !== undefined && { labelColumn: labels[0] }),
    ...(labels.length > 1 && { labelColumns: labels }),
  };
}

const plain = (name: string): string => name.toLowerCase().replace(/[_\-\s]/g, "");

/** The columns of a shape, or undefined where one is missing or an option names a column the shape has no use for. */
function match(
  { columns: wanted, names, together }: TextShape,
  columns: readonly string[],
  first: FirstRow,
  given: Overrides,
): TextColumns | undefined {
  const used = new Set(wanted.map(({ role }) => optionOf[role]));
  for (const option of ["textColumn", "pairColumn", "labelColumn"] as const)
    if (given[option] !== undefined && !used.has(option)) return undefined;
  // A first text that the caller names has no known second one.
  if (together && given.textColumn !== undefined && given.pairColumn === undefined) return undefined;
  const byName = new Map([...columns].reverse().map((column) => [plain(column), column]));
  const couples = together ?? [[]];
  for (const couple of couples) {
    const found: { [R in TextRole]?: string } = {};
    const isComplete = wanted.every(({ role, kind, optional }, i) => {
      const option = optionOf[role];
      const override = option && given[option];
      const known = couple[i] === undefined ? names[i]! : [couple[i]];
      const taken = Object.values(found);
      const candidates =
        override === undefined
          ? known.map((name) => byName.get(plain(name))).filter((name) => name !== undefined)
          : [override];
      const column = candidates.find((name) => !taken.includes(name) && mayHold(first[name], kind));
      if (column !== undefined) found[role] = column;
      return column !== undefined || optional === true;
    });
    if (isComplete) return found;
  }
  return undefined;
}

/** Whether a first value allows the kind; what is missing or empty there is judged row by row. */
function mayHold(value: unknown, kind: ValueKind): boolean {
  const isMissing = value === undefined || value === null || value === "";
  switch (kind) {
    case "strings":
    case "tags":
    case "messages":
      // CSV files hold lists as text that is JSON.
      return Array.isArray(value) || (typeof value === "string" && value.trimStart().startsWith("["));
    case "number":
      return isMissing || Number.isFinite(Number(value));
    case "text":
      return isMissing || typeof value === "string" || typeof value === "number";
    case "label":
      // Lists are several classes, objects a 0 or 1 for each.
      return true;
    case "text or messages":
      return isMissing || typeof value === "string" || Array.isArray(value);
  }
}
