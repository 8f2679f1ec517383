import { parentPort, workerData } from "node:worker_threads";
import { bug } from "../../base/errors.ts";
import { buildTokenizer } from "./build-tokenizer.ts";
import type { TokenizerFiles } from "./tokenizer.ts";
import { type EncodeJob, encodeJob, packEncodings } from "./tokenizer-threads.node.ts";

/** Thread that encodes texts: one job in, one result out, in order. */
const port = parentPort ?? bug("the tokenizer's worker was started as a main program");
const tokenizer = buildTokenizer(workerData as TokenizerFiles, "the tokenizer");
port.on("message", (job: EncodeJob) => {
  const packed = packEncodings(encodeJob(tokenizer, job));
  port.postMessage(packed, [
    packed.ids.buffer as ArrayBuffer,
    packed.typeIds.buffer as ArrayBuffer,
    packed.lengths.buffer as ArrayBuffer,
    packed.truncated.buffer as ArrayBuffer,
  ]);
});
