import { parse } from "csv-parse/sync";
import { entryOf } from "../../base/entry-of.ts";
import { DiapasonError } from "../../base/errors.ts";

/** What a card says of how files are to be read, as far as that is followed: pandas' words for CSV, and datasets' for JSON. */
export interface ReaderSettings {
  readonly separator?: string;
  readonly quote?: string | false;
  readonly escape?: string;
  /** Lines before anything is read. */
  readonly skippedLines?: number;
  /** The row of names, counted from 0 behind those; null: there is none. */
  readonly header?: number | null;
  /** Names in the place of the header's. */
  readonly names?: readonly string[];
  readonly columns?: readonly string[];
  /** JSON: the key that the rows are at. */
  readonly field?: string;
}

type Fields = Readonly<Record<string, unknown>>;
type Setting = (value: unknown) => ReaderSettings | undefined;

const character: (key: "separator" | "quote" | "escape") => Setting = (key) => (value) =>
  typeof value === "string" && [...value].length === 1 ? { [key]: value } : undefined;
const texts: (key: "names" | "columns") => Setting = (key) => (value) =>
  Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === "string")
    ? { [key]: value as string[] }
    : undefined;
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

/** Settings that are followed, where their value is one that is. */
const followed: Readonly<Record<string, Setting>> = {
  sep: character("separator"),
  delimiter: character("separator"),
  quotechar: character("quote"),
  escapechar: character("escape"),
  // csv.QUOTE_NONE; the other numbers are about writing
  quoting: (value) => (value === 3 ? { quote: false } : [0, 1, 2].includes(Number(value)) ? {} : undefined),
  names: texts("names"),
  column_names: texts("names"),
  usecols: texts("columns"),
  header: (value) =>
    value === "infer" ? {} : value === null || isCount(value) ? { header: value } : undefined,
  skiprows: (value) => (isCount(value) ? { skippedLines: value } : undefined),
  encoding: (value) => (/^utf-?8(-sig)?$/i.test(String(value)) ? {} : undefined),
  field: (value) => (typeof value === "string" ? { field: value } : undefined),
};

/** The settings of a config that are followed, and the names of the others. `known`: keys that are no settings. */
export function readerSettings(
  config: Fields,
  known: ReadonlySet<string>,
): { readonly reader: ReaderSettings; readonly others: readonly string[] } {
  const keys = Object.keys(config).filter((key) => !known.has(key));
  const found = keys.map((key) => [key, entryOf(followed, key)?.(config[key])] as const);
  return {
    reader: Object.assign({}, ...found.map(([, setting]) => setting ?? {})) as ReaderSettings,
    others: found.flatMap(([key, setting]) => (setting ? [] : [key])),
  };
}

/** Whether files of an ending ("", or with that of a compression) are read as the settings say. */
export const isReadBy = ({ field, ...csv }: ReaderSettings, ending: string): boolean =>
  /^\.(csv|tsv|tab)$/.test(ending) ? Object.keys(csv).length > 0 : ending === ".json" && field !== undefined;

/**
 * The bytes of a file as the settings say it is to be read, as CSV with a header or as a list in JSON.
 * @throws data/bad-row where it is not what they say. `name`: of the file, for messages.
 */
export function asUsual(
  bytes: Buffer,
  { ending, name }: { readonly ending: string; readonly name: string },
  settings: ReaderSettings,
): string {
  try {
    return ending === ".json" ? listAt(bytes, settings.field!) : csvText(rowsOf(bytes, ending, settings));
  } catch (cause) {
    throw new DiapasonError(
      "data/bad-row",
      `${name} cannot be read as the data set's card says: ${(cause as Error).message}.`,
      "Download the file, write it as CSV with a header or as JSON lines, and give that.",
      cause,
    );
  }
}

function listAt(bytes: Buffer, field: string): string {
  const whole = JSON.parse(bytes.toString("utf8").replace(/^\uFEFF/, "")) as Fields;
  const rows = whole?.[field];
  if (!Array.isArray(rows)) throw new Error(`it has no list at "${field}"`);
  return JSON.stringify(rows);
}

function rowsOf(bytes: Buffer, ending: string, settings: ReaderSettings): readonly (readonly string[])[] {
  const { separator, quote = '"', skippedLines = 0, names, columns } = settings;
  const rows = parse(bytes, {
    delimiter: separator ?? (ending === ".csv" ? "," : "\t"),
    quote,
    escape: settings.escape ?? '"',
    relax_quotes: true,
    bom: true,
    from_line: skippedLines + 1,
    skip_empty_lines: true,
  }) as string[][];
  const header = settings.header === undefined ? (names ? null : 0) : settings.header;
  const own = header === null ? rows[0]?.map((_, i) => String(i)) : rows[header];
  const titles = names ?? own ?? [];
  const data = rows.slice(header === null ? 0 : header + 1);
  const wide = data.find((row) => row.length !== titles.length);
  if (wide) throw new Error(`a row has ${wide.length} columns, and there are names for ${titles.length}`);
  const kept = columns?.map((column) => titles.indexOf(column));
  const missing = kept?.findIndex((at) => at < 0) ?? -1;
  if (missing >= 0) throw new Error(`it has no column "${columns![missing]}"`);
  const all = [titles, ...data];
  return kept ? all.map((row) => kept.map((at) => row[at]!)) : all;
}

const csvText = (rows: readonly (readonly string[])[]): string =>
  rows
    .map((row) =>
      row.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(","),
    )
    .join("\n")
    .concat("\n");
