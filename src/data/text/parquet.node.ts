import { Worker } from "node:worker_threads";
import { DiapasonError } from "../../base/errors.ts";
import { workerUrl } from "../../base/worker-url.node.ts";
import type { Table } from "./table-files.node.ts";

/** What the thread that reads a file says, one after the other. */
export type ParquetAnswer =
  | { readonly kind: "begun" }
  | {
      readonly kind: "read";
      readonly rows: readonly Readonly<Record<string, unknown>>[];
      /** What Hugging Face's datasets wrote about the columns. */
      readonly about: string | undefined;
    }
  | { readonly kind: "failed"; readonly why: string };

/**
 * Processor time that reading may take, by the size of the file: inside a page a damaged one may ask for a thousand million
 * repetitions of a number. Whole files are read at some 20 MB a second. The time is that of the whole process, which waits
 * meanwhile: what other programs do does not count.
 */
const patienceMs = (bytes: number): number => 800 + bytes / 1000;
/** How often is looked at it. */
const lookMs = 50;
/** Memory of the thread, by the size of the file; rows as objects take much more than the bytes of a file. */
const mostMegabytes = (bytes: number): number => 512 + Math.ceil(bytes / 2 ** 14);

/** Rows of a Parquet file, and the class names that Hugging Face's datasets write beside them. @throws data/bad-row */
export async function readParquet(bytes: Buffer, name: string): Promise<Omit<Table, "kind">> {
  const answer = await inThread(bytes);
  if (answer.kind !== "read")
    throw new DiapasonError(
      "data/bad-row",
      `${name} cannot be read as Parquet: ${answer.kind === "failed" ? answer.why : "it gives no rows"}.`,
      "Download or write it again.",
    );
  const columns = Object.keys(answer.rows[0] ?? {});
  const rows = answer.rows.map((fields, i) => ({ fields: plainNumbers(fields), line: i + 1 }));
  const classNames = classNamesOf(answer.about);
  return { rows, columns, ...(classNames && { classNames }) };
}

/** Reads in a thread that can be ended: nothing in a file says how long its pages will take. */
function inThread(bytes: Buffer): Promise<ParquetAnswer> {
  // A view of a larger buffer would be read from its beginning.
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  const { byteLength } = file;
  const worker = new Worker(workerUrl(import.meta.url, "./parquet-worker.node.js"), {
    workerData: file,
    transferList: [file],
    resourceLimits: { maxOldGenerationSizeMb: mostMegabytes(byteLength) },
  });
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const end = (answer: ParquetAnswer) => {
      clearInterval(timer);
      void worker.terminate();
      resolve(answer);
    };
    worker.on("message", (answer: ParquetAnswer) => {
      if (answer.kind !== "begun") return end(answer);
      const ms = patienceMs(byteLength);
      const began = process.cpuUsage();
      const why = `reading takes more than ${(ms / 1000).toFixed(1)} s, so it is damaged`;
      timer = setInterval(() => {
        const { user, system } = process.cpuUsage(began);
        if ((user + system) / 1000 > ms) end({ kind: "failed", why });
      }, lookMs);
    });
    worker.on("error", (error: Error) => end({ kind: "failed", why: error.message }));
  });
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
