import type { Engine, EngineStore } from "./engine.ts";
import { HostSession } from "./host-session.node.ts";
import { ParameterMemory } from "./parameter-memory.ts";
import { openDevice, takesWhole } from "./provider.node.ts";

class HostStore implements EngineStore {
  readonly memory: ParameterMemory;
  constructor(memory: ParameterMemory) {
    this.memory = memory;
  }
  update: EngineStore["update"] = (options) => this.memory.update(options);
  read: EngineStore["read"] = (name, slot) => Float32Array.from(this.memory.view(name, slot));
  write: EngineStore["write"] = (name, slot, data, from) => this.memory.view(name, slot).set(data, from);
  steps: EngineStore["steps"] = () => this.memory.steps();
  setSteps: EngineStore["setSteps"] = (steps) => this.memory.setSteps(steps);
  dispose(): void {
    // The memory goes with its last reader.
  }
}

/** Parameters in this process's memory: the CPU, and CUDA, to which onnxruntime-node binds no tensor that stays there. */
export function hostEngine(
  provider: "cpu" | "cuda",
  { threads, shared }: { readonly threads: number | undefined; readonly shared: boolean },
): Engine<HostStore> {
  return {
    open: () => openDevice(provider),
    takes: (models) => takesWhole(models, provider),
    store: (arrays) => new HostStore(new ParameterMemory(arrays, shared)),
    compile: (request, store) => HostSession.create(request, store?.memory, { threads, provider }),
  };
}
