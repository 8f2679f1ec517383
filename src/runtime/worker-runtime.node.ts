import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { env } from "onnxruntime-common";
import { bug, DiapasonError } from "../base/errors.ts";
import { workerUrl } from "../base/worker-url.node.ts";
import { writeOnnx } from "../formats/onnx/writer.ts";
import type { Graph, Value } from "../graph/ir.ts";
import { float32, inMemory, readInto, sizeOf } from "../graph/tensor.ts";
import type { CompileRequest, ReplyMessage, RequestKind, Requests, WorkerOptions } from "./messages.ts";
import type { RowGradient } from "./row-gradients.ts";
import type { ArrayPlace, CompileOptions, ParameterStore, Runtime, StoredArray } from "./runtime.ts";
import { isBeside, WeightFiles } from "./weight-files.node.ts";

/** Node 20 refuses tensors over shared memory; from 22 on they are taken. */
const canShare = Number(process.versions.node.split(".")[0]) >= 22;

export interface WorkerRuntimeOptions extends Pick<WorkerOptions, "device" | "threads"> {
  /** What to hand to the device in a graph's stead; asked for every graph that is compiled. It may have more outputs. */
  readonly lower: (
    graph: Graph,
    takes: (models: readonly Uint8Array[]) => Promise<boolean[]>,
    options: CompileOptions,
  ) => Promise<Lowered>;
}

/** A graph as a device takes it, and in which of its outputs the gradients are. */
export interface Lowered {
  readonly graph: Graph;
  readonly gradients: ReadonlyMap<string, string> | undefined;
  readonly rowGradients?: readonly RowGradient[];
}

/**
 * From 1.29 on ONNX Runtime tells its maker, on Linux and macOS, which models run: names of files and graphs, hashes of weights;
 * and keeps a number of the machine. It asks once, where a process makes its first session, and sees no change that a worker makes
 * to its copy of the environment. Whoever wants it sets the variable to 0.
 */
function keepToItself(): void {
  process.env["ORT_DISABLE_TELEMETRY"] ??= "1";
}

/** A device in a worker thread: the calling thread stays free while a graph runs. @throws runtime/no-device */
export async function workerRuntime({ device, threads, lower }: WorkerRuntimeOptions): Promise<Runtime> {
  keepToItself();
  const worker = new RuntimeWorker({ device, threads, shared: canShare });
  if (device !== "cpu") {
    try {
      await worker.ask("open", {});
    } catch (error) {
      await worker.end();
      throw error;
    }
  }
  const takes = (models: readonly Uint8Array[]) => worker.ask("takes", { models });
  const files = new WeightFiles();
  return {
    device,
    description: {
      onnxruntime: env.versions.common,
      node: process.versions.node,
      threads: String(threads ?? "all"),
    },
    async store(arrays) {
      const places = arrays.map(({ name, dims, kind }) => ({ name, dims, kind }));
      const id = await worker.ask("store", { arrays: places });
      const made = storeOn(worker, id, places);
      await fill(worker, id, arrays);
      return made;
    },
    async compile(graph, options = {}) {
      const lowered = await lower(graph, takes, options);
      const executable = await compileOn(worker, files, lowered, options);
      const kept = new Set([
        ...(options.gradients?.values() ?? []),
        ...(options.bufferUpdates?.values() ?? []),
      ]);
      const returned = graph.outputs.map((output) => output.name).filter((name) => !kept.has(name));
      return {
        run: (feeds, { accumulate = false, outputs = returned } = {}) =>
          worker.ask("run", { executable, feeds, accumulate, outputs }),
        dispose: () => worker.ask("disposeExecutable", { executable }),
      };
    },
    peakMemoryBytes: async () => peakMemory(),
    async dispose() {
      await worker.end();
      await files.dispose();
    },
  };
}

/** Elements that go to the worker at once. */
const pieceLength = 1 << 20;

/** Writes values through one piece of memory that goes there and back: what is only read in between would stay until it is collected. */
async function fill(worker: RuntimeWorker, store: number, arrays: readonly StoredArray[]): Promise<void> {
  let buffer = new ArrayBuffer(4 * pieceLength);
  for (const { name, dims, value } of arrays) {
    const given = value instanceof Float32Array ? float32(dims, value).data : value;
    const source = given.readInto ? given : inMemory(given.read());
    const length = sizeOf(dims);
    for (let from = 0; from < length; from += pieceLength) {
      const data = new Float32Array(buffer, 0, Math.min(pieceLength, length - from));
      readInto(source, new Uint8Array(buffer, 0, data.byteLength), 4 * from);
      const returned = await worker.ask("write", { store, name, slot: "value", data, from }, [buffer]);
      buffer = returned.buffer as ArrayBuffer;
    }
  }
}

const storeIds = new WeakMap<ParameterStore, number>();

function storeOn(worker: RuntimeWorker, store: number, arrays: readonly ArrayPlace[]): ParameterStore {
  const known = new Set(arrays.map((array) => array.name));
  const check = (name: string) => {
    if (!known.has(name)) bug(`the store has no array "${name}"`);
  };
  const made: ParameterStore = {
    update: (options) => worker.ask("update", { store, options }),
    async read(name, slot) {
      check(name);
      return worker.ask("read", { store, name, slot });
    },
    async write(name, slot, data) {
      check(name);
      await worker.ask("write", { store, name, slot, data, from: 0 });
    },
    steps: () => worker.ask("steps", { store }),
    setSteps: (steps) => worker.ask("setSteps", { store, steps }),
    dispose: () => worker.ask("disposeStore", { store }),
  };
  storeIds.set(made, store);
  return made;
}

/** A graph's bytes with its large weights beside them, in memory. */
function inBytes(graph: Graph): Pick<CompileRequest, "model" | "weights"> {
  const weights: { path: string; data: Uint8Array }[] = [];
  const place = (value: Value) => {
    if (!isBeside(value)) return undefined;
    const path = `w${weights.length}`;
    weights.push({ path, data: value.constant!.data.read() });
    return { location: path, offset: 0 };
  };
  return { model: writeOnnx(graph, { place }), weights };
}

/** The number of the executable that the worker makes of a graph. */
async function compileOn(
  worker: RuntimeWorker,
  files: WeightFiles,
  { graph, gradients = new Map(), rowGradients = [] }: Lowered,
  options: CompileOptions,
): Promise<number> {
  const file = await files.write(graph);
  const asked = worker.ask("compile", {
    ...(file ? { model: file.path, weights: [] } : inBytes(graph)),
    store: options.store && storeIds.get(options.store),
    gradients: [...gradients],
    rowGradients,
    bufferUpdates: [...(options.bufferUpdates ?? [])],
    isTraining: options.purpose === "training",
  });
  return asked.finally(() => file?.remove());
}

/** The worker thread and the requests that wait for its answer. It keeps the process alive only while one waits. */
class RuntimeWorker {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { resolve(reply: unknown): void; reject(error: unknown): void }>();
  /** Whether the thread has loaded what it needs, or has ended. */
  readonly #started: Promise<unknown>;
  #nextId = 1;
  #ended: unknown;
  #isEnding = false;
  #onIdle = () => {};

  constructor(options: WorkerOptions) {
    this.#worker = new Worker(workerUrl(import.meta.url, "./compute-worker.node.js"), {
      workerData: options,
    });
    this.#worker.unref();
    this.#started = new Promise((resolve) => {
      for (const event of ["message", "error", "exit"]) this.#worker.once(event, resolve);
    });
    this.#worker.on("message", (message: ReplyMessage) => this.#settle(message));
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("exit", () => this.#fail(undefined));
  }

  /** `moved`: memory in `body` that goes over to the worker instead of being copied. */
  ask<K extends RequestKind>(
    kind: K,
    body: Requests[K]["request"],
    moved: readonly ArrayBufferLike[] = [],
  ): Promise<Requests[K]["reply"]> {
    if (this.#ended) return Promise.reject(this.#ended);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      // first: it throws where something cannot be handed over, and then no answer comes that could be waited for
      this.#worker.postMessage({ id, kind, body }, moved as ArrayBuffer[]);
      if (this.#waiting.size === 0) this.#worker.ref();
      this.#waiting.set(id, { resolve: resolve as (reply: unknown) => void, reject });
    });
  }

  async end(): Promise<void> {
    // A thread that is ended while it loads ONNX Runtime, or inside it, takes the whole process with it.
    this.#isEnding = true;
    this.#worker.ref();
    await this.#started;
    if (this.#waiting.size > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    await this.#worker.terminate();
  }

  #settle({ id, reply, error }: ReplyMessage): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) {
      this.#onIdle();
      if (!this.#isEnding) this.#worker.unref();
    }
    if (error) waiting?.reject(new DiapasonError(error.code, error.message, error.fix));
    else waiting?.resolve(reply);
  }

  #fail(cause: unknown): void {
    this.#ended ??= new DiapasonError(
      "runtime/worker-ended",
      `The thread that computes has ended${cause instanceof Error ? `: ${cause.message}` : ""}.`,
      "Start a new runtime; if this came by itself, the machine was most likely out of memory.",
      cause,
    );
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
    this.#onIdle();
  }
}

/** Largest resident memory of the process so far; its threads share it. */
function peakMemory(): number {
  try {
    const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"));
    if (line) return Number(line[1]) * 1024;
  } catch {
    // Not Linux: the platform's own figure follows.
  }
  return process.resourceUsage().maxRSS * 1024;
}
