import { blockConvolutions, channelBlock, hasBlocked } from "./channel-blocks.ts";
import { exactScatter } from "./exact-scatter.ts";
import { pinOrder } from "./execution-order.ts";
import { rowGradients } from "./row-gradients.ts";
import type { Runtime } from "./runtime.ts";
import { splitLosses } from "./split-losses.ts";
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
    async lower(given, _, { purpose, gradients }) {
      const source = splitLosses(given);
      if (purpose !== "training") return { graph: exactScatter(source), gradients };
      const { graph, whole, rows } = rowGradients(source, gradients ?? new Map());
      if (hasBlocked(graph)) block ??= channelBlock(runtime);
      const size = await block;
      const blocked = size === undefined ? graph : blockConvolutions(graph, size);
      return {
        graph: pinOrder(exactScatter(blocked, { inOrder: true })),
        gradients: whole,
        rowGradients: rows,
      };
    },
  });
  return runtime;
}
