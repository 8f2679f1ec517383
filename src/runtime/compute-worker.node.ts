import { parentPort, workerData } from "node:worker_threads";
import { env } from "onnxruntime-node";
import { bug, DiapasonError } from "../base/errors.ts";
import { deviceEngine } from "./device-engine.node.ts";
import type { Engine, EngineSession, EngineStore } from "./engine.ts";
import { hostEngine } from "./host-engine.node.ts";
import type { ReplyMessage, RequestKind, RequestMessage, Requests, WorkerOptions } from "./messages.ts";

/** The thread that computes: it owns the sessions and the memory that training changes, and answers one request at a time. */
const options = workerData as WorkerOptions;
// From Node 24 on onnxruntime-common would wrap float16 in this class, which its own native part refuses; without it both
// use plain 16-bit words.
Reflect.deleteProperty(globalThis, "Float16Array");
// What goes wrong is thrown; the log would only repeat it.
env.logLevel = "fatal";
const port = parentPort ?? bug("the worker was started as a program");

const engine = (
  options.device === "webgpu" ? deviceEngine(options) : hostEngine(options.device, options)
) as Engine;
const stores = new Map<number, EngineStore>();
const sessions = new Map<number, EngineSession>();
let nextId = 1;

type Handlers = {
  readonly [K in RequestKind]: (
    body: Requests[K]["request"],
  ) => Requests[K]["reply"] | Promise<Requests[K]["reply"]>;
};

const handlers: Handlers = {
  async open() {
    await engine.open();
    return undefined;
  },
  takes: ({ models }) => engine.takes(models),
  store({ arrays }) {
    stores.set(nextId, engine.store(arrays));
    return nextId++;
  },
  async compile(request) {
    const store = request.store === undefined ? undefined : storeOf(request.store);
    sessions.set(nextId, await engine.compile(request, store));
    return nextId++;
  },
  run: ({ executable, ...request }) =>
    (sessions.get(executable) ?? bug("a disposed executable was run")).run(request),
  update: ({ store, options }) => storeOf(store).update(options),
  read: ({ store, name, slot }) => storeOf(store).read(name, slot),
  async write({ store, name, slot, data, from }) {
    await storeOf(store).write(name, slot, data, from);
    return data;
  },
  steps: ({ store }) => storeOf(store).steps(),
  setSteps({ store, steps }) {
    storeOf(store).setSteps(steps);
    return undefined;
  },
  disposeStore({ store }) {
    stores.get(store)?.dispose();
    stores.delete(store);
    return undefined;
  },
  async disposeExecutable({ executable }) {
    await sessions.get(executable)?.release();
    sessions.delete(executable);
    return undefined;
  },
};

function storeOf(id: number): EngineStore {
  return stores.get(id) ?? bug("a disposed store was used");
}

// Says that everything is loaded: see RuntimeWorker.end.
port.postMessage({ id: 0 } satisfies ReplyMessage);
let last: Promise<void> = Promise.resolve();
port.on("message", (message: RequestMessage) => {
  last = last.then(() => answer(message));
});

async function answer({ id, kind, body }: RequestMessage): Promise<void> {
  try {
    const reply = await (handlers[kind] as (body: unknown) => unknown)(body);
    // A copied-out array is handed over; results of a run lie in ONNX Runtime's memory and are copied.
    port.postMessage(
      { id, reply } satisfies ReplyMessage,
      reply instanceof Float32Array ? [reply.buffer as ArrayBuffer] : [],
    );
  } catch (error) {
    port.postMessage({ id, error: recordOf(error) } satisfies ReplyMessage);
  }
}

function recordOf(error: unknown): NonNullable<ReplyMessage["error"]> {
  if (error instanceof DiapasonError) return { code: error.code, message: error.message, fix: error.fix };
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: "base/bug", message, fix: "Report this with the command and the model you used." };
}
