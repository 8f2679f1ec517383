import { Worker } from "node:worker_threads";
import { bug } from "../base/errors.ts";
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

/** Threads for work on pixels. They start when first needed and keep the process alive only while they work. */
export class ImageWorkers {
  readonly #size: number;
  readonly #threads: Thread[] = [];
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

  #leastBusy(): Thread {
    // An image may have been decoded meanwhile; no thread is to start for it.
    if (this.#isClosed) throw new Error("the image workers were closed");
    const idle = this.#threads.find((thread) => thread.load === 0);
    if (idle) return idle;
    if (this.#threads.length < this.#size) {
      const thread = new Thread();
      this.#threads.push(thread);
      return thread;
    }
    return this.#threads.reduce((a, b) => (a.load <= b.load ? a : b));
  }
}

interface Waiting {
  readonly resolve: (result: Pixels | ImageBatch) => void;
  readonly reject: (error: unknown) => void;
}

/** One worker; answers come in the order of the jobs. */
class Thread {
  readonly #worker = new Worker(workerUrl(import.meta.url, "./image-worker.node.js"));
  readonly #waiting: Waiting[] = [];
  #failure: Error | undefined;
  /** An answer that still comes then must not let the process end before the thread has. */
  #isClosing = false;

  constructor() {
    this.#worker.unref();
    this.#worker.on("message", (result: Pixels | ImageBatch) => {
      this.#waiting.shift()?.resolve(result);
      if (this.#waiting.length === 0 && !this.#isClosing) this.#worker.unref();
    });
    this.#worker.on("error", (error: Error) => this.#fail(error));
    this.#worker.on("exit", () => this.#fail(new Error("the image worker was closed")));
  }

  get load(): number {
    return this.#waiting.length;
  }

  run(job: ImageJob): Promise<Pixels | ImageBatch> {
    if (this.#failure) bug("an image worker is gone", this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage(job);
    });
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#worker.terminate();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}
