import { parentPort, workerData } from "node:worker_threads";
import { bug } from "../../base/errors.ts";
import type { ParquetAnswer, ParquetJob } from "../text/parquet-thread.node.ts";
import { NoPicture, takePictures } from "./picture-rows.node.ts";
import type { PictureAnswer, PictureOptions } from "./picture-tables.node.ts";

/** Thread that writes the pictures of one Parquet file into a folder, and gives the other columns of their rows. */
const port = parentPort ?? bug("the worker for pictures was started as a main program");
const answer = (given: ParquetAnswer<PictureAnswer>) => port.postMessage(given);
const { file, options } = workerData as ParquetJob<PictureOptions>;
answer({ kind: "begun" });
try {
  answer({ kind: "read", result: { table: await takePictures(file, options) } });
} catch (error) {
  const { message, code } = error as NodeJS.ErrnoException;
  if (error instanceof NoPicture) answer({ kind: "read", result: { mistake: message } });
  else answer({ kind: "failed", why: message, code });
}
