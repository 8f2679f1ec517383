import { type InferenceSession, Tensor } from "onnxruntime-node";
import { writeOnnx } from "../formats/onnx/writer.ts";
import { type DeviceGraphName, deviceGraph } from "./device-graphs.ts";
import { asRuntimeError } from "./runtime-error.ts";
import { openSession } from "./session-options.node.ts";

/**
 * Sessions over arrays on the device, compiled when first used.
 *
 * A tensor on the device comes out of a session and goes into others; ONNX Runtime's `getData` of one ends the process,
 * and nothing makes one of memory, so that both ways lead through a session that copies.
 */
export class DeviceKernels {
  readonly #sessions = new Map<string, Promise<InferenceSession>>();

  /** The outputs on the device, by name. */
  run(name: DeviceGraphName, inputs: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    return this.#run(name, "gpu-buffer", inputs);
  }
  /** A few numbers for a session to take with it. */
  host(data: Float32Array): Tensor {
    return new Tensor("float32", data, [data.length]);
  }
  async upload(data: Float32Array): Promise<Tensor> {
    const { y } = await this.run("copy", { x: this.host(data) });
    return y!;
  }
  async download(x: Tensor): Promise<Tensor> {
    return (await this.#run("copy", "cpu", { x }))["y"]!;
  }

  async #run(
    name: DeviceGraphName,
    location: "gpu-buffer" | "cpu",
    inputs: Readonly<Record<string, Tensor>>,
  ): Promise<Record<string, Tensor>> {
    const key = `${name} to ${location}`;
    const made = this.#sessions.get(key) ?? compile(name, location);
    this.#sessions.set(key, made);
    try {
      return (await (await made).run(inputs)) as Record<string, Tensor>;
    } catch (error) {
      throw asRuntimeError(error, "run");
    }
  }
}

function compile(name: DeviceGraphName, location: "gpu-buffer" | "cpu"): Promise<InferenceSession> {
  const request = { model: writeOnnx(deviceGraph(name)), weights: [], isTraining: true };
  return openSession(request, "webgpu", undefined, {
    preferredOutputLocation: location,
    extra: { session: { disable_cpu_ep_fallback: "1" } },
  });
}

/** The same memory under another shape; it lives as long as the tensor it is of. */
export const reshaped = (tensor: Tensor, dims: readonly number[]): Tensor =>
  Tensor.fromGpuBuffer(tensor.gpuBuffer, { dataType: "float32", dims: [...dims] });

/** The same, in its stead: to dispose of it gives the memory back. */
export const owning = (tensor: Tensor, dims: readonly number[]): Tensor =>
  Object.assign(reshaped(tensor, dims), { dispose: () => tensor.dispose() });
