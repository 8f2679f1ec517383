import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type FileMetaData, parquetMetadataAsync, parquetReadObjects, parquetSchema } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { entryOf } from "../../base/entry-of.ts";
import { classNamesIn, type Features, featuresIn } from "../class-names.ts";
import { checkPages } from "../text/parquet-pages.ts";
import type { PictureOptions, PictureRow, PictureTable } from "./picture-tables.node.ts";

/** What stands where a picture should, in words. */
export class NoPicture extends Error {}

interface OpenFile {
  readonly file: ArrayBuffer;
  readonly metadata: FileMetaData;
  readonly features: Features;
}

/**
 * Writes the pictures of a Parquet file into a folder and gives the other columns of their rows, or undefined where the file has
 * no column of pictures.
 *
 * @throws NoPicture for a row without one that is read; Error for a file that is damaged
 */
export async function takePictures(
  file: ArrayBuffer,
  options: PictureOptions,
): Promise<PictureTable | undefined> {
  const metadata = await parquetMetadataAsync(file);
  const about = metadata.key_value_metadata?.find(({ key }) => key === "huggingface")?.value;
  const features = featuresIn(about ?? "");
  const columns = columnsOf(metadata, features);
  return columns && readPictures({ file, metadata, features }, columns, options);
}

interface Columns {
  readonly picture: string;
  readonly otherPictures: readonly string[];
  /** Columns of single values. */
  readonly plain: readonly string[];
}

/** The columns of a file that has pictures, as a struct of `bytes` and `path`; the one called "image" goes first. */
function columnsOf(metadata: FileMetaData, features: Features): Columns | undefined {
  const { children } = parquetSchema(metadata);
  const isPicture = ({ children: parts, element }: (typeof children)[number]) =>
    parts.length === 2 &&
    parts.some((part) => part.element.name === "bytes" && part.element.type === "BYTE_ARRAY") &&
    parts.some((part) => part.element.name === "path") &&
    (features[element.name]?._type ?? "Image") === "Image";
  const pictures = children.filter(isPicture).map(({ element }) => element.name);
  const picture = ["image", "img"].find((name) => pictures.includes(name)) ?? pictures[0];
  if (picture === undefined) return undefined;
  return {
    picture,
    otherPictures: pictures.filter((name) => name !== picture),
    plain: children
      .filter(({ children: parts, element }) => parts.length === 0 && element.repetition_type !== "REPEATED")
      .map(({ element }) => element.name),
  };
}

/** One group of rows after the other, so that no more than that many pictures are in memory. */
async function readPictures(
  { file, metadata, features }: OpenFile,
  { picture, otherPictures, plain }: Columns,
  options: PictureOptions,
): Promise<PictureTable> {
  checkPages(file, metadata);
  const classNames = { ...options.classNames, ...classNamesIn(features) };
  mkdirSync(options.folder, { recursive: true });
  const rows: PictureRow[] = [];
  let start = 0;
  for (const { num_rows: count } of metadata.row_groups) {
    const read = await parquetReadObjects({
      file,
      metadata,
      compressors,
      columns: [picture, ...plain],
      rowStart: start,
      rowEnd: start + Number(count),
      // Pictures are no texts; columns that are texts say so.
      utf8: false,
    });
    for (const [i, row] of read.entries()) {
      const bytes: unknown = (row[picture] as { readonly bytes?: unknown } | null)?.bytes;
      const where = `row ${start + i + 1}, column "${picture}"`;
      if (!(bytes instanceof Uint8Array) || bytes.length === 0)
        throw new NoPicture(`${where} has no picture in the file`);
      const name = `${String(options.first + rows.length).padStart(7, "0")}.${endingOf(bytes, where)}`;
      writeFileSync(join(options.folder, name), bytes);
      rows.push({
        file_name: name,
        ...Object.fromEntries(plain.flatMap((column) => plainValue(column, row))),
      });
    }
    start += Number(count);
  }
  return { rows, classNames: picked(classNames, plain), picture, otherPictures };

  /** A value as JSON can hold it: a class by its name, nothing where a class is −1, which says that it is not told. */
  function plainValue(column: string, row: Readonly<Record<string, unknown>>): [string, unknown][] {
    const value = typeof row[column] === "bigint" ? Number(row[column]) : row[column];
    const names = entryOf(classNames, column);
    if (names && typeof value === "number")
      return value === -1 ? [] : [[column, names[value] ?? String(value)]];
    return ["string", "number", "boolean"].includes(typeof value) ? [[column, value]] : [];
  }
}

const picked = <V>(from: Readonly<Record<string, V>>, names: readonly string[]): Record<string, V> =>
  Object.fromEntries(Object.entries(from).filter(([name]) => names.includes(name)));

/** The first bytes of the formats that are read, by their endings; "ftyp" of AVIF and "WEBP" stand further on. */
const beginnings: readonly (readonly [ending: string, at: number, bytes: string])[] = [
  ["png", 0, "\x89PNG"],
  ["jpg", 0, "\xff\xd8\xff"],
  ["gif", 0, "GIF8"],
  ["tif", 0, "II*\0"],
  ["tif", 0, "MM\0*"],
  ["webp", 8, "WEBP"],
  ["avif", 4, "ftypavif"],
];

function endingOf(bytes: Uint8Array, where: string): string {
  const head = Buffer.from(bytes.subarray(0, 16)).toString("latin1");
  const found = beginnings.find(([, at, begin]) => head.startsWith(begin, at));
  if (found) return found[0];
  throw new NoPicture(
    `${where} is no picture that is read; it begins with ${JSON.stringify(head.slice(0, 4))}`,
  );
}
