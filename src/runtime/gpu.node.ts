import type { CpuOptions } from "./cpu.node.ts";
import { KernelProbe } from "./kernel-probe.ts";
import type { Runtime } from "./runtime.ts";
import { workerRuntime } from "./worker-runtime.node.ts";

/** How a GPU is used. */
export interface GpuOptions extends CpuOptions {
  /** Operators on real numbers that the device lacks run on the CPU, instead of being named in an error. Default false. */
  readonly cpuFallback?: boolean;
}

/**
 * ONNX Runtime's WebGPU provider: parameters, gradients and optimizer state stay on the device, and the optimizer is a graph.
 *
 * @throws runtime/no-device
 */
export function webgpuRuntime(options: GpuOptions = {}): Promise<Runtime> {
  return onGpu("webgpu", options);
}

/**
 * ONNX Runtime's CUDA provider, where its files are installed. Parameters and optimizer state stay in the computer's
 * memory, because onnxruntime-node cannot bind tensors that CUDA holds.
 *
 * @throws runtime/no-device
 */
export function cudaRuntime(options: GpuOptions = {}): Promise<Runtime> {
  return onGpu("cuda", options);
}

function onGpu(device: "webgpu" | "cuda", { threads, cpuFallback = false }: GpuOptions): Promise<Runtime> {
  const probe = new KernelProbe(device, cpuFallback);
  return workerRuntime({
    device,
    threads,
    lower: async (graph, takes, { gradients }) => ({ graph: await probe.lower(graph, takes), gradients }),
  });
}
