import { readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { parse } from "csv-parse/sync";
import { DiapasonError, nearest } from "../base/errors.ts";
import { staysInside } from "../base/stays-inside.ts";
import { listNames } from "./code-points.ts";
import { lineEndsOf } from "./line-ends.ts";

/** An image as a metadata file names it. `file`: relative to the metadata's folder, normalised. `line`: from 1. */
export interface MetadataRow {
  readonly file: string;
  readonly label: string;
  readonly line: number;
}

export interface FolderMetadata {
  readonly rows: readonly MetadataRow[];
  readonly column: string;
}

type RawRow = { readonly fields: Readonly<Record<string, unknown>>; readonly line: number };

/**
 * Reads `metadata.csv` or `metadata.jsonl` as Hugging Face's imagefolder knows them: `file_name` and a label.
 *
 * The label is in `labelColumn`, else in "label", else in the only other column there is.
 * @throws data/bad-metadata, data/unknown-column, data/duplicate-file, data/outside-folder.
 */
export async function readMetadata(path: string, labelColumn?: string): Promise<FolderMetadata> {
  const text = (await readFile(path, "utf8")).replace(/^\uFEFF/, "");
  const records = path.endsWith(".csv") ? parseCsv(text, path) : parseJsonLines(text, path);
  if (records.length === 0) {
    throw new DiapasonError(
      "data/bad-metadata",
      `"${path}" has no rows.`,
      "Add a row with a file name and a label for each image.",
    );
  }
  const columns = [...new Set(records.flatMap(({ fields }) => Object.keys(fields)))];
  if (!columns.includes("file_name")) throw unknownColumn("file_name", columns, path);
  const column = chooseColumn(columns, path, labelColumn);

  const lineOf = new Map<string, number>();
  const rows = records.map(({ fields, line }) => {
    const file = safePath(fields["file_name"], path, line);
    const earlier = lineOf.get(file);
    if (earlier !== undefined) {
      throw new DiapasonError(
        "data/duplicate-file",
        `"${path}" names "${file}" on line ${earlier} and again on line ${line}.`,
        "Keep one of the two rows.",
      );
    }
    lineOf.set(file, line);
    const value = fields[column];
    if (value === undefined || value === null || value === "" || typeof value === "object") {
      throw new DiapasonError(
        "data/bad-metadata",
        `"${path}" line ${line} ("${file}") has no label in column "${column}".`,
        "Fill in the label, or remove the row.",
      );
    }
    return { file, label: String(value), line };
  });
  return { rows, column };
}

function chooseColumn(columns: readonly string[], path: string, wanted: string | undefined): string {
  if (wanted !== undefined) {
    if (!columns.includes(wanted)) throw unknownColumn(wanted, columns, path);
    return wanted;
  }
  if (columns.includes("label")) return "label";
  const others = columns.filter((column) => column !== "file_name");
  if (others.length === 1) return others[0]!;
  throw unknownColumn("label", columns, path);
}

function unknownColumn(wanted: string, columns: readonly string[], path: string): DiapasonError {
  const near = nearest(wanted, columns);
  return new DiapasonError(
    "data/unknown-column",
    `"${path}" has no column "${wanted}"; its columns are ${listNames(columns, 20)}.`,
    near
      ? `Did you mean "${near}"?`
      : wanted === "file_name"
        ? 'Name the column with the images\' paths "file_name".'
        : "Name the column that holds the label (labelColumn).",
  );
}

/** A path inside the metadata's folder, or an error: "..", an absolute path and a drive all leave it. */
function safePath(value: unknown, path: string, line: number): string {
  if (typeof value !== "string" || value.trim() === "") {
    throw new DiapasonError(
      "data/bad-metadata",
      `"${path}" line ${line} has no file name.`,
      "Fill in file_name, or remove the row.",
    );
  }
  const file = posix.normalize(value.replaceAll("\\", "/"));
  if (!staysInside(file)) {
    throw new DiapasonError(
      "data/outside-folder",
      `"${path}" line ${line} names "${value}", which lies outside the folder.`,
      "Move the image into the folder and name it relative to the metadata file.",
    );
  }
  return file;
}

function parseCsv(text: string, path: string): RawRow[] {
  try {
    const rows = parse(text, {
      columns: true,
      record_delimiter: lineEndsOf(text),
      info: true,
      skip_empty_lines: true,
      trim: true,
    }) as unknown as {
      record: Record<string, string>;
      info: { lines: number };
    }[];
    return rows.map(({ record, info }) => ({ fields: record, line: info.lines }));
  } catch (cause) {
    throw new DiapasonError(
      "data/bad-metadata",
      `"${path}" is not a table of comma-separated values: ${(cause as Error).message}.`,
      "Mend that line.",
      cause,
    );
  }
}

function parseJsonLines(text: string, path: string): RawRow[] {
  const records: RawRow[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    let fields: unknown;
    try {
      fields = JSON.parse(line);
    } catch (cause) {
      throw new DiapasonError(
        "data/bad-metadata",
        `"${path}" line ${index + 1} is not JSON: ${(cause as Error).message}.`,
        "Write one JSON object a line.",
        cause,
      );
    }
    if (fields === null || typeof fields !== "object" || Array.isArray(fields)) {
      throw new DiapasonError(
        "data/bad-metadata",
        `"${path}" line ${index + 1} is not a JSON object.`,
        "Write one JSON object a line.",
      );
    }
    records.push({ fields: fields as Record<string, unknown>, line: index + 1 });
  }
  return records;
}

/** Paths of metadata files that may lie in a folder. */
export const metadataNames = ["metadata.csv", "metadata.jsonl"] as const;

/** The metadata file among a folder's files, or undefined. @throws data/ambiguous-split when there are two. */
export function findMetadata(root: string, folder: string, others: ReadonlySet<string>): string | undefined {
  const found = metadataNames
    .map((name) => (folder === "" ? name : `${folder}/${name}`))
    .filter((path) => others.has(path));
  if (found.length > 1) {
    throw new DiapasonError(
      "data/ambiguous-split",
      `"${join(root, folder)}" has both metadata.csv and metadata.jsonl.`,
      "Keep one of them.",
    );
  }
  return found[0];
}
