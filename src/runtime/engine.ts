import type { CompileRequest, RunRequest } from "./messages.ts";
import type { ArrayPlace, HostTensor, UpdateOptions } from "./runtime.ts";

export type Slot = "value" | "gradient" | "first" | "second";

/** Moving parameters, on the computing thread's side of ParameterStore. */
export interface EngineStore {
  update(
    options: UpdateOptions,
  ): { gradientNorm: number; applied: boolean } | Promise<{ gradientNorm: number; applied: boolean }>;
  /** A copy, which may be handed over to another thread. */
  read(name: string, slot: Slot): Float32Array | Promise<Float32Array>;
  /** `from`: the element where the data begin. Pieces of an array come in order; the data are free to be reused afterwards. */
  write(name: string, slot: Slot, data: Float32Array, from: number): void | Promise<void>;
  steps(): Record<string, number>;
  setSteps(steps: Readonly<Record<string, number>>): void;
  dispose(): void;
}

/** A compiled graph, on the computing thread's side of Executable. */
export interface EngineSession {
  run(request: Omit<RunRequest, "executable">): Promise<Record<string, HostTensor>>;
  release(): Promise<void>;
}

/** What the computing thread does with a device; a session is bound to a store of the same engine. */
export interface Engine<S extends EngineStore = EngineStore> {
  /** Makes sure that the device is there. @throws runtime/no-device */
  open(): Promise<void>;
  /** Whether the device runs each of these models without the CPU's help. */
  takes(models: readonly Uint8Array[]): Promise<boolean[]>;
  /** Room for the arrays, zeros at first. */
  store(arrays: readonly ArrayPlace[]): S;
  compile(request: CompileRequest, store: S | undefined): Promise<EngineSession>;
}
