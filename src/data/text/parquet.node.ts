import { parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { DiapasonError } from "../../base/errors.ts";
import type { Table } from "./table-files.node.ts";

/** Rows of a Parquet file, and the class names that Hugging Face's datasets write beside them. @throws data/bad-row */
export async function readParquet(bytes: Buffer, name: string): Promise<Omit<Table, "kind">> {
  // A view of a larger buffer would be read from its beginning.
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  try {
    const metadata = await parquetMetadataAsync(file);
    const objects = await parquetReadObjects({ file, metadata, compressors });
    const columns = Object.keys(objects[0] ?? {});
    const rows = objects.map((fields, i) => ({ fields: plainNumbers(fields), line: i + 1 }));
    const classNames = classNamesOf(
      metadata.key_value_metadata?.find(({ key }) => key === "huggingface")?.value,
    );
    return { rows, columns, ...(classNames && { classNames }) };
  } catch (cause) {
    throw new DiapasonError(
      "data/bad-row",
      `${name} cannot be read as Parquet: ${(cause as Error).message}.`,
      "Download or write it again.",
      cause,
    );
  }
}

/** Whole numbers come as bigint; those of rows are small. */
function plainNumbers(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const plain = (value: unknown): unknown =>
    typeof value === "bigint"
      ? Number(value)
      : Array.isArray(value)
        ? value.map(plain)
        : ArrayBuffer.isView(value) && !(value instanceof DataView)
          ? Array.from(value as unknown as ArrayLike<unknown>, plain)
          : value;
  return Object.fromEntries(Object.entries(fields).map(([column, value]) => [column, plain(value)]));
}

interface Feature {
  readonly _type?: string;
  readonly names?: readonly string[];
  readonly feature?: Feature;
}

function classNamesOf(json: string | undefined): Record<string, readonly string[]> | undefined {
  if (json === undefined) return undefined;
  let features: Readonly<Record<string, Feature>> | undefined;
  try {
    features = (JSON.parse(json) as { info?: { features?: Record<string, Feature> } }).info?.features;
  } catch {
    // What another tool wrote under this key is no business of ours.
    return undefined;
  }
  const found: Record<string, readonly string[]> = {};
  for (const [column, feature] of Object.entries(features ?? {})) {
    const names = feature?.names ?? feature?.feature?.names;
    if (Array.isArray(names)) found[column] = names.map(String);
  }
  return found;
}
