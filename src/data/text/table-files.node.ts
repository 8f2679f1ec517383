import { isUtf8 } from "node:buffer";
import { basename, extname } from "node:path";
import { type CsvError, parse } from "csv-parse/sync";
import { DiapasonError } from "../../base/errors.ts";
import type { ClassNames } from "../class-names.ts";
import { readBytes, tooLarge } from "../compressed-files.node.ts";
import { withoutCompression } from "../compressed-names.ts";
import { lineEndsOf } from "../line-ends.ts";
import { parseConll, seemsConll } from "./conll.ts";
import { parseJsonArray } from "./json-array.ts";
import { readParquet } from "./parquet.node.ts";
import type { RawRow } from "./read-values.ts";
import type { TextOptions } from "./text-dataset.ts";

/** A file of rows. */
export interface Table {
  readonly rows: readonly RawRow[];
  /** In the order of the file; of all rows where rows need not have the same. */
  readonly columns: readonly string[];
  /** What sort of file it is, for the user. */
  readonly kind: string;
  /** Names of classes, where the file says them. */
  readonly classNames?: ClassNames;
}

type Reader = (bytes: Buffer, name: string, options: TextOptions) => Table | Promise<Table>;

/** Readers of files of rows by extension. */
const readers: Readonly<Record<string, Reader>> = {
  ".csv": (bytes, name) => readCsv(bytes, name, undefined),
  ".tsv": (bytes, name) => readCsv(bytes, name, "\t"),
  ".tab": (bytes, name) => readCsv(bytes, name, "\t"),
  ".jsonl": readJsonl,
  ".ndjson": readJsonl,
  ".json": (bytes, name) =>
    /^\s*\[/.test(
      bytes
        .subarray(0, 4096)
        .toString("utf8")
        .replace(/^\uFEFF/, ""),
    )
      ? readJson(bytes, name)
      : readJsonl(bytes, name),
  ".parquet": async (bytes, name) => ({ ...(await readParquet(bytes, name)), kind: "Parquet" }),
  ".txt": readText,
  ".text": readText,
  ".md": readText,
  ".conll": (bytes, name) => readConll(bytes, name),
  ".bio": (bytes, name) => readConll(bytes, name),
  ".iob": (bytes, name) => readConll(bytes, name),
  ".iob2": (bytes, name) => readConll(bytes, name),
};

/** Extensions of files that are read as rows. */
export const tableExtensions: readonly string[] = Object.keys(readers);

/** The extension that says how a file is read, without that of its compression; undefined where nothing reads it. */
export function tableExtension(path: string): string | undefined {
  const extension = extname(withoutCompression(path)).toLowerCase();
  return Object.hasOwn(readers, extension) ? extension : undefined;
}

/**
 * Reads a file of rows; `name` is how messages call it.
 *
 * @throws data/bad-text for bytes that are not UTF-8, data/bad-row with the line, data/duplicate-column
 */
export async function readTable(path: string, name: string, options: TextOptions): Promise<Table> {
  try {
    return await readAny(path, name, options);
  } catch (cause) {
    if (!tooLarge.has((cause as NodeJS.ErrnoException).code ?? "")) throw cause;
    throw new DiapasonError(
      "data/bad-text",
      `${name} is too large to be read at once, or has a line that is: ${(cause as Error).message}.`,
      "Cut it into files of less than 500 MB, numbered as parts of one whole: train-1.csv, train-2.csv.",
      cause,
    );
  }
}

const readAny = async (path: string, name: string, options: TextOptions): Promise<Table> =>
  readers[tableExtension(path)!]!(await readBytes(path, name), name, options);

const bom = Buffer.from([0xef, 0xbb, 0xbf]);

/** The bytes of a text without its byte order mark. @throws data/bad-text with line and byte */
function checkUtf8(bytes: Buffer, name: string): Buffer {
  const marked = bytes.subarray(0, 2).toString("latin1");
  if (marked === "\xff\xfe" || marked === "\xfe\xff")
    throw new DiapasonError(
      "data/bad-text",
      `${name} is UTF-16, as its first two bytes say; expected UTF-8.`,
      'Save it as UTF-8 (in Excel: "CSV UTF-8").',
    );
  if (!isUtf8(bytes)) {
    let [line, start] = [1, 0];
    for (;;) {
      const newline = bytes.indexOf(10, start);
      const end = newline < 0 ? bytes.length : newline + 1;
      if (!isUtf8(bytes.subarray(start, end))) break;
      [line, start] = [line + 1, end];
    }
    const offset = firstBadByte(bytes, start);
    const shown = bytes
      .subarray(Math.max(start, offset - 20), offset)
      .toString("utf8")
      .replace(/^\uFFFD+/, "");
    throw new DiapasonError(
      "data/bad-text",
      `${name}:${line}: byte ${offset} (0x${bytes[offset]!.toString(16).padStart(2, "0")}), after ${JSON.stringify(shown)}, is not UTF-8.`,
      "Save the file as UTF-8, such as with: iconv -f WINDOWS-1252 -t UTF-8 FILE.",
    );
  }
  return bytes.subarray(0, 3).equals(bom) ? bytes.subarray(3) : bytes;
}

/** Offset of the first byte that no UTF-8 text has at its place; there is one at or after `start`. */
function firstBadByte(bytes: Buffer, start: number): number {
  let i = start;
  while (i < bytes.length) {
    const lead = bytes[i]!;
    const size = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (!isUtf8(bytes.subarray(i, Math.min(i + size, bytes.length)))) return i;
    i += size;
  }
  return i - 1;
}

/** Bytes of a row: a quotation mark that nothing closes makes one row of all that follows. */
const mostOfRow = 2 ** 26;

function readCsv(given: Buffer, name: string, delimiter: string | undefined): Table {
  const bytes = checkUtf8(given, name);
  const separator = delimiter ?? sniffDelimiter(bytes);
  const lineEnds = lineEndsOf(bytes);
  let columns: string[] = [];
  const parseWith = (quote: string | null) =>
    parse(bytes, {
      columns: (header: string[]) => {
        columns = checkHeader(header, name);
        return columns;
      },
      delimiter: separator,
      record_delimiter: lineEnds,
      quote,
      relax_quotes: true,
      max_record_size: mostOfRow,
      info: true,
      skip_empty_lines: true,
    }) as unknown as readonly {
      record: Record<string, string>;
      info: { bytes: number };
    }[];
  let parsed: ReturnType<typeof parseWith>;
  try {
    parsed = parseWith('"');
  } catch (cause) {
    if (cause instanceof DiapasonError) throw cause;
    // Tab-separated files are often written without quoting, and a quotation mark is then one of the text's.
    if (separator !== "\t") throw badRow(cause as CsvError, name);
    try {
      parsed = parseWith(null);
    } catch (second) {
      throw badRow(second as CsvError, name);
    }
  }
  const kind = separator === "\t" ? "TSV" : "CSV";
  // A row is named by the line it starts on. The parser tells the byte it ends at, and miscounts lines of "\r\n" in fields.
  const mark = lineEnds.at(-1)!;
  let [line, next] = [1, bytes.indexOf(mark)];
  const rows = parsed.map(({ record, info }) => {
    for (; next >= 0 && next < info.bytes - 1; next = bytes.indexOf(mark, next + 1)) line++;
    return { fields: record, line: line - linesWithin(record, mark) };
  });
  return { kind, columns, rows };
}

/** Line breaks inside the fields of a row. */
function linesWithin(record: Readonly<Record<string, string>>, mark: string): number {
  let count = 0;
  for (const value of Object.values(record))
    for (let at = value.indexOf(mark); at >= 0; at = value.indexOf(mark, at + 1)) count++;
  return count;
}

/** The one of comma, semicolon and tab that the first line has most of, outside quotes. */
function sniffDelimiter(bytes: Buffer): string {
  const newline = bytes.indexOf(10);
  const header = bytes
    .subarray(0, newline < 0 ? bytes.length : newline)
    .toString("utf8")
    .replace(/"[^"]*"/g, "");
  const counts = [",", ";", "\t"].map((mark) => ({ mark, count: header.split(mark).length }));
  return counts.reduce((a, b) => (b.count > a.count ? b : a)).mark;
}

function checkHeader(header: readonly string[], name: string): string[] {
  const names = header.map((column) => column.trim());
  const twice = names.find((column, i) => column !== "" && names.indexOf(column) !== i);
  if (twice !== undefined)
    throw new DiapasonError(
      "data/duplicate-column",
      `${name}:1: two columns are called "${twice}".`,
      "Rename or remove one of them.",
    );
  // An index that pandas wrote has no name.
  return names.map((column, i) => (column === "" ? `column ${i + 1}` : column));
}

function badRow(cause: CsvError, name: string): DiapasonError {
  const line = (cause as unknown as { readonly lines?: number }).lines ?? 1;
  const why = cause.message.replace(/\s*(on|at) line \d+.*$/, "").replace(/^Invalid Record Length: /, "");
  return new DiapasonError(
    "data/bad-row",
    `${name}:${line}: this is no row of the table: ${why}.`,
    "Put texts that hold separators, line breaks or quotation marks in quotation marks.",
    cause,
  );
}

function readJsonl(given: Buffer, name: string): Table {
  const bytes = checkUtf8(given, name);
  const rows: RawRow[] = [];
  const columns = new Set<string>();
  for (let start = 0, line = 1; start < bytes.length; line++) {
    const newline = bytes.indexOf(10, start);
    const end = newline < 0 ? bytes.length : newline;
    const text = bytes.toString("utf8", start, end);
    start = end + 1;
    if (text.trim() === "") continue;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      const odd = /[:[,]\s*(NaN|-?Infinity)\b/.exec(text)?.[1];
      throw new DiapasonError(
        "data/bad-row",
        `${name}:${line}: this is not JSON: ${odd ? `it has ${odd}, which Python writes and JSON has no word for` : JSON.stringify(text.slice(0, 60))}.`,
        odd ? "Write a number, or remove the row." : "Write one JSON object a line.",
        cause,
      );
    }
    rows.push(checkObject(value, line, name, columns));
  }
  return { rows, columns: [...columns], kind: "JSON lines" };
}

function readJson(given: Buffer, name: string): Table {
  const columns = new Set<string>();
  const elements = parseJsonArray(checkUtf8(given, name).toString("utf8"), name);
  const rows = elements.map(({ value, line }) => checkObject(value, line, name, columns));
  return { rows, columns: [...columns], kind: "JSON" };
}

function checkObject(value: unknown, line: number, name: string, columns: Set<string>): RawRow {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new DiapasonError(
      "data/bad-row",
      `${name}:${line}: this is ${Array.isArray(value) ? "a list" : `${typeof value} ${value}`}; expected an object such as {"text": "…", "label": "…"}.`,
      "Write every row as a JSON object.",
    );
  for (const column of Object.keys(value)) columns.add(column);
  return { fields: value as Record<string, unknown>, line };
}

function readText(given: Buffer, name: string, { sampleBy = "document" }: TextOptions): Table {
  const text = checkUtf8(given, name).toString("utf8");
  if (seemsConll(text)) return readConll(given, name);
  return { rows: [...cutText(text, sampleBy)], columns: ["text"], kind: `plain text by ${sampleBy}` };
}

function* cutText(text: string, by: NonNullable<TextOptions["sampleBy"]>): Generator<RawRow> {
  if (by === "document") {
    if (text.trim() !== "") yield { fields: { text }, line: 1 };
    return;
  }
  const lines = text.split(/\r?\n/);
  if (by === "line") {
    for (const [i, line] of lines.entries())
      if (line.trim() !== "") yield { fields: { text: line }, line: i + 1 };
    return;
  }
  let paragraph: string[] = [];
  for (const [i, line] of [...lines, ""].entries()) {
    if (line.trim() !== "") paragraph.push(line);
    else if (paragraph.length > 0) {
      yield { fields: { text: paragraph.join("\n") }, line: i + 1 - paragraph.length };
      paragraph = [];
    }
  }
}

const readConll = (bytes: Buffer, name: string): Table => ({
  rows: parseConll(checkUtf8(bytes, name).toString("utf8"), basename(name)),
  columns: ["tokens", "ner_tags"],
  kind: "CoNLL",
});
