import { cpuRuntime } from "../runtime/cpu.node.ts";
import { cudaRuntime, type GpuOptions, webgpuRuntime } from "../runtime/gpu.node.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Device } from "./options/common.ts";

const runtimes: { readonly [D in Device]: (options: GpuOptions) => Promise<Runtime> } = {
  cpu: cpuRuntime,
  webgpu: webgpuRuntime,
  cuda: cudaRuntime,
};

/** The runtime a verb asked for. @throws runtime/no-device */
export function openRuntime({
  device = "cpu",
  threads,
  cpuFallback = false,
}: {
  readonly device?: Device | undefined;
  readonly threads?: number | undefined;
  readonly cpuFallback?: boolean | undefined;
}): Promise<Runtime> {
  return runtimes[device]({ cpuFallback, ...(threads === undefined ? {} : { threads }) });
}
