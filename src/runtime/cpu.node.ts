import { pinOrder } from "./execution-order.ts";
import type { Runtime } from "./runtime.ts";
import { workerRuntime } from "./worker-runtime.node.ts";

export interface CpuOptions {
  /** Threads of one operator; default: ONNX Runtime's, one for each core. */
  readonly threads?: number;
}

/** ONNX Runtime's CPU provider in a worker thread: the calling thread stays free while a graph runs. */
export function cpuRuntime(options: CpuOptions = {}): Promise<Runtime> {
  return workerRuntime({
    device: "cpu",
    threads: options.threads,
    lower: async (graph, _, purpose) => (purpose === "training" ? pinOrder(graph) : graph),
  });
}
