import { parentPort, workerData } from "node:worker_threads";
import { parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { bug } from "../../base/errors.ts";
import type { ParquetAnswer } from "./parquet.node.ts";
import { checkPages } from "./parquet-pages.ts";

/** Thread that reads one Parquet file: says that it has begun, then what it found. */
const port = parentPort ?? bug("the worker for Parquet was started as a main program");
const answer = (given: ParquetAnswer) => port.postMessage(given);
const file = workerData as ArrayBuffer;
answer({ kind: "begun" });
try {
  const metadata = await parquetMetadataAsync(file);
  checkPages(file, metadata);
  const rows = await parquetReadObjects({ file, metadata, compressors });
  const about = metadata.key_value_metadata?.find(({ key }) => key === "huggingface")?.value;
  answer({ kind: "read", rows, about });
} catch (error) {
  answer({ kind: "failed", why: (error as Error).message });
}
