import { parentPort } from "node:worker_threads";
import { bug } from "../base/errors.ts";
import { assembleBatch } from "./assemble-batch.ts";
import type { ImageJob } from "./image-workers.node.ts";
import { sharedPixels } from "./pixels.ts";
import { prepareImage } from "./prepare-image.ts";

/** Thread that resizes images and assembles batches: one job in, one result out, in order. */
const port = parentPort ?? bug("the image worker was started as a main program");
port.on("message", (job: ImageJob) => {
  if (job.kind === "prepare") {
    port.postMessage(sharedPixels(prepareImage(job.image, job.preprocessor, job.size)));
  } else {
    const batch = assembleBatch(job.batch);
    port.postMessage(batch, [batch.pixels.buffer as ArrayBuffer, batch.targets.buffer as ArrayBuffer]);
  }
});
