import { Worker } from "node:worker_threads";

interface Waiting<R> {
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A thread that does one job after another: it answers each message with one, in their order. It keeps the process alive
 * only while it works.
 */
export class JobThread<J, R> {
  readonly #worker: Worker;
  readonly #waiting: Waiting<R>[] = [];
  #failure: Error | undefined;
  /** An answer that still comes then must not let the process end before the thread has. */
  #isClosing = false;

  /** `url`: the file it runs; `data`: what that finds as its `workerData`. */
  constructor(url: URL, data?: unknown) {
    this.#worker = new Worker(url, { workerData: data });
    this.#worker.unref();
    this.#worker.on("message", (result: R) => {
      this.#waiting.shift()?.resolve(result);
      if (this.#waiting.length === 0 && !this.#isClosing) this.#worker.unref();
    });
    this.#worker.on("error", (error: Error) => this.#fail(error));
    this.#worker.on("exit", () => this.#fail(new Error("the thread was closed")));
  }

  /** Jobs that are not done yet. */
  get load(): number {
    return this.#waiting.length;
  }

  /** @throws what ended the thread, also where that was before */
  run(job: J): Promise<R> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      // first: it throws where the job cannot be copied, and then no answer comes that could be waited for
      this.#worker.postMessage(job);
      this.#worker.ref();
      this.#waiting.push({ resolve, reject });
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
