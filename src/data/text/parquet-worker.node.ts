import { parentPort, workerData } from "node:worker_threads";
import { parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { bug } from "../../base/errors.ts";
import type { ParquetRows } from "./parquet.node.ts";
import { checkPages } from "./parquet-pages.ts";
import type { ParquetAnswer, ParquetJob } from "./parquet-thread.node.ts";

/** Thread that reads one Parquet file: says that it has begun, then what it found. */
const port = parentPort ?? bug("the worker for Parquet was started as a main program");
const answer = (given: ParquetAnswer<ParquetRows>) => port.postMessage(given);
const { file } = workerData as ParquetJob<undefined>;
answer({ kind: "begun" });
try {
  const metadata = await parquetMetadataAsync(file);
  checkPages(file, metadata);
  const rows = await parquetReadObjects({ file, metadata, compressors });
  const about = metadata.key_value_metadata?.find(({ key }) => key === "huggingface")?.value;
  answer({ kind: "read", result: { rows, about } });
} catch (error) {
  answer({ kind: "failed", why: (error as Error).message });
}
