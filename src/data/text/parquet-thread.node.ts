import { Worker } from "node:worker_threads";

/** What a thread that reads a Parquet file says, one after the other. */
export type ParquetAnswer<R> =
  | { readonly kind: "begun" }
  | { readonly kind: "read"; readonly result: R }
  | {
      readonly kind: "failed";
      readonly why: string;
      /** Of a failure to write: Node's code. */
      readonly code?: string | undefined;
    };

/** What a thread is given. */
export interface ParquetJob<O> {
  readonly file: ArrayBuffer;
  readonly options: O;
}

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

/**
 * Reads a Parquet file in a thread that can be ended: nothing in a file says how long its pages will take. The bytes are the
 * thread's from then on.
 */
export function inParquetThread<O, R>(
  worker: URL,
  bytes: Buffer,
  options: O,
): Promise<Exclude<ParquetAnswer<R>, { kind: "begun" }>> {
  // A view of a larger buffer would be read from its beginning; one of its own is handed over, not copied.
  const isWhole = bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength;
  const file = (
    isWhole ? bytes.buffer : bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
  ) as ArrayBuffer;
  const { byteLength } = file;
  const thread = new Worker(worker, {
    workerData: { file, options } satisfies ParquetJob<O>,
    transferList: [file],
    resourceLimits: { maxOldGenerationSizeMb: mostMegabytes(byteLength) },
  });
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const end = (answer: Exclude<ParquetAnswer<R>, { kind: "begun" }>) => {
      clearInterval(timer);
      void thread.terminate();
      resolve(answer);
    };
    thread.on("message", (answer: ParquetAnswer<R>) => {
      if (answer.kind !== "begun") return end(answer);
      const ms = patienceMs(byteLength);
      const began = process.cpuUsage();
      const why = `reading takes more than ${(ms / 1000).toFixed(1)} s, so it is damaged`;
      timer = setInterval(() => {
        const { user, system } = process.cpuUsage(began);
        if ((user + system) / 1000 > ms) end({ kind: "failed", why });
      }, lookMs);
    });
    thread.on("error", (error: Error) => end({ kind: "failed", why: error.message }));
  });
}
