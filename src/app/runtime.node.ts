import { cpuRuntime } from "../runtime/cpu.node.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** The runtime a verb asked for. */
export function openRuntime({
  threads,
}: {
  readonly device?: string | undefined;
  readonly threads?: number | undefined;
}): Promise<Runtime> {
  return cpuRuntime(threads === undefined ? {} : { threads });
}
