import { DiapasonError } from "../../base/errors.ts";
import { workerUrl } from "../../base/worker-url.node.ts";
import { classNamesIn, featuresIn } from "../class-names.ts";
import { inParquetThread } from "./parquet-thread.node.ts";
import type { Table } from "./table-files.node.ts";

/** What the thread that reads rows gives. */
export interface ParquetRows {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** What Hugging Face's datasets wrote about the columns. */
  readonly about: string | undefined;
}

/** Rows of a Parquet file, and the class names that Hugging Face's datasets write beside them. @throws data/bad-row */
export async function readParquet(bytes: Buffer, name: string): Promise<Omit<Table, "kind">> {
  const worker = workerUrl(import.meta.url, "./parquet-worker.node.js");
  const answer = await inParquetThread<undefined, ParquetRows>(worker, bytes, undefined);
  if (answer.kind === "failed") throw badParquet(name, answer.why);
  const { rows: read, about } = answer.result;
  const columns = Object.keys(read[0] ?? {});
  const rows = read.map((fields, i) => ({ fields: plainNumbers(fields), line: i + 1 }));
  return { rows, columns, ...(about !== undefined && { classNames: classNamesIn(featuresIn(about)) }) };
}

export const badParquet = (name: string, why: string): DiapasonError =>
  new DiapasonError(
    "data/bad-row",
    `${name} cannot be read as Parquet: ${why}.`,
    "Download or write it again.",
  );

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
