import { JobThread } from "../base/job-thread.node.ts";
import { workerUrl } from "../base/worker-url.node.ts";
import type { BatchJob } from "./assemble-batch.ts";
import type { ImageBatch, ImagePreprocessor } from "./dataset.ts";
import type { Pixels } from "./pixels.ts";
import type { KeptSize } from "./prepare-image.ts";

/** What a worker is asked to do. */
export type ImageJob = PrepareJob | { readonly kind: "assemble"; readonly batch: BatchJob };

interface PrepareJob {
  readonly kind: "prepare";
  readonly image: Pixels;
  readonly preprocessor: ImagePreprocessor;
  readonly size: KeptSize;
}

type ImageThread = JobThread<ImageJob, Pixels | ImageBatch>;

/** Threads for work on pixels. They start when first needed and keep the process alive only while they work. */
export class ImageWorkers {
  readonly #size: number;
  readonly #threads: ImageThread[] = [];
  #isClosed = false;

  constructor(size: number) {
    this.#size = size;
  }

  prepare(image: Pixels, preprocessor: ImagePreprocessor, size: KeptSize): Promise<Pixels> {
    return this.#leastBusy().run({ kind: "prepare", image, preprocessor, size }) as Promise<Pixels>;
  }

  assemble(batch: BatchJob): Promise<ImageBatch> {
    return this.#leastBusy().run({ kind: "assemble", batch }) as Promise<ImageBatch>;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#threads.splice(0).map((thread) => thread.close()));
  }

  #leastBusy(): ImageThread {
    // An image may have been decoded meanwhile; no thread is to start for it.
    if (this.#isClosed) throw new Error("the image workers were closed");
    const idle = this.#threads.find((thread) => thread.load === 0);
    if (idle) return idle;
    if (this.#threads.length < this.#size) {
      const thread: ImageThread = new JobThread(workerUrl(import.meta.url, "./image-worker.node.js"));
      this.#threads.push(thread);
      return thread;
    }
    return this.#threads.reduce((a, b) => (a.load <= b.load ? a : b));
  }
}
