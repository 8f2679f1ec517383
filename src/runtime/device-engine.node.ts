import { DeviceKernels } from "./device-kernels.node.ts";
import { DeviceSession } from "./device-session.node.ts";
import { DeviceStore } from "./device-store.node.ts";
import type { Engine } from "./engine.ts";
import { openDevice, takesWhole } from "./provider.node.ts";

/** WebGPU: parameters, gradients and optimizer state stay in the device's memory, where sessions read and write them. */
export function deviceEngine({ threads }: { readonly threads: number | undefined }): Engine<DeviceStore> {
  const kernels = new DeviceKernels();
  return {
    open: () => openDevice("webgpu"),
    takes: (models) => takesWhole(models, "webgpu"),
    store: (arrays) => new DeviceStore(kernels, arrays),
    compile: (request, store) => DeviceSession.create(request, store, { threads, kernels }),
  };
}
