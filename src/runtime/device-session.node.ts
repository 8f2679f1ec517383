import type { InferenceSession, Tensor } from "onnxruntime-node";
import type { DeviceKernels } from "./device-kernels.node.ts";
import type { DeviceStore } from "./device-store.node.ts";
import type { EngineSession } from "./engine.ts";
import { checkOutputs, hostTensor, tensorsOf } from "./feed-tensors.node.ts";
import type { CompileRequest, RunRequest } from "./messages.ts";
import type { HostTensor } from "./runtime.ts";
import { asRuntimeError } from "./runtime-error.ts";
import { openSession } from "./session-options.node.ts";

/** One compiled graph on the device; what the store keeps goes in and comes out without leaving it. */
export class DeviceSession implements EngineSession {
  readonly #session: InferenceSession;
  readonly #store: DeviceStore | undefined;
  readonly #kernels: DeviceKernels;
  readonly #bound: readonly string[];
  readonly #fed: readonly InferenceSession.ValueMetadata[];
  readonly #gradients: CompileRequest["gradients"];
  readonly #bufferUpdates: CompileRequest["bufferUpdates"];

  private constructor(
    session: InferenceSession,
    { gradients, bufferUpdates }: CompileRequest,
    store: DeviceStore | undefined,
    kernels: DeviceKernels,
  ) {
    this.#session = session;
    this.#store = store;
    this.#kernels = kernels;
    this.#bound = session.inputNames.filter((name) => store?.has(name));
    this.#fed = session.inputMetadata.filter(({ name }) => !store?.has(name));
    this.#gradients = gradients;
    this.#bufferUpdates = bufferUpdates;
  }

  static async create(
    request: CompileRequest,
    store: DeviceStore | undefined,
    { threads, kernels }: { readonly threads: number | undefined; readonly kernels: DeviceKernels },
  ): Promise<DeviceSession> {
    const kept = [...request.gradients, ...request.bufferUpdates].map(([, output]) => output);
    try {
      const session = await openSession(request, "webgpu", threads, {
        preferredOutputLocation: Object.fromEntries(kept.map((output) => [output, "gpu-buffer"])),
      });
      return new DeviceSession(session, request, store, kernels);
    } catch (error) {
      throw asRuntimeError(error, "compile");
    }
  }

  async run({
    feeds,
    accumulate,
    outputs,
  }: Omit<RunRequest, "executable">): Promise<Record<string, HostTensor>> {
    checkOutputs(this.#session, outputs);
    const inputs = tensorsOf(this.#fed, feeds);
    for (const name of this.#bound) inputs[name] = await this.#store!.bound(name, "value");
    const kept = [...this.#gradients, ...this.#bufferUpdates].map(([, output]) => output);
    const fetches = Object.fromEntries([...outputs, ...kept].map((name) => [name, null]));
    let results: Record<string, Tensor>;
    try {
      results = (await this.#session.run(inputs, fetches)) as Record<string, Tensor>;
    } catch (error) {
      throw asRuntimeError(error, "run");
    }
    const returned: Record<string, HostTensor> = {};
    for (const name of outputs) {
      const tensor = results[name]!;
      returned[name] = hostTensor(
        tensor.location === "gpu-buffer" ? await this.#kernels.download(tensor) : tensor,
      );
    }
    for (const [name, output] of this.#gradients) {
      const gradient = await this.#onDevice(results[output]!);
      if (accumulate) await this.#store!.accumulate(name, gradient);
      else this.#store!.keep(name, "gradient", gradient);
    }
    for (const [name, output] of this.#bufferUpdates)
      this.#store!.keep(name, "value", await this.#onDevice(results[output]!));
    return returned;
  }

  /** An output that the CPU made, of constants for example, comes from there whatever was asked for. */
  async #onDevice(tensor: Tensor): Promise<Tensor> {
    return tensor.location === "gpu-buffer" ? tensor : this.#kernels.upload(tensor.data as Float32Array);
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}
