import { blockDepthwise, channelBlock, hasDepthwise } from "./channel-blocks.ts";
import { pinOrder } from "./execution-order.ts";
import type { Runtime } from "./runtime.ts";
import { workerRuntime } from "./worker-runtime.node.ts";

export interface CpuOptions {
  /** Threads of one operator; default: ONNX Runtime's, one for each core. */
  readonly threads?: number;
}

/** ONNX Runtime's CPU provider in a worker thread: the calling thread stays free while a graph runs. */
export async function cpuRuntime(options: CpuOptions = {}): Promise<Runtime> {
  let block: Promise<number | undefined> | undefined;
  const runtime = await workerRuntime({
    device: "cpu",
    threads: options.threads,
    async lower(graph, _, purpose) {
      if (purpose !== "training") return graph;
      if (hasDepthwise(graph)) block ??= channelBlock(runtime);
      const size = await block;
      return pinOrder(size === undefined ? graph : blockDepthwise(graph, size));
    },
  });
  return runtime;
}
