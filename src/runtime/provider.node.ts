import { InferenceSession, listSupportedBackends } from "onnxruntime-node";
import { DiapasonError } from "../base/errors.ts";
import { writeOnnx } from "../formats/onnx/writer.ts";
import { Graph } from "../graph/ir.ts";
import { lackOfCuda } from "./cuda-files.node.ts";
import { reasonOf } from "./reason.ts";

export type Provider = "cpu" | "webgpu" | "cuda";

/** What to do where a device cannot be opened. */
const remedies: { readonly [P in Provider]: string } = {
  cpu: "Install onnxruntime-node again.",
  webgpu:
    "Install a driver for the GPU with its Vulkan loader (Linux), or choose --device cpu; docs/devices.md says how to try it without a GPU.",
  cuda: "See whether `nvidia-smi` finds the GPU and knows this version of CUDA, or choose --device cpu.",
};

/** @throws runtime/no-device where ONNX Runtime has no such provider, or the provider finds no device. */
export async function openDevice(provider: Provider): Promise<void> {
  const graph = new Graph("device");
  graph.addOutput(graph.addNode("Identity", [graph.addInput("x", "float32", [1])]).outputs[0]!);
  try {
    const session = await InferenceSession.create(writeOnnx(graph), {
      executionProviders: [provider],
      logSeverityLevel: 4,
    });
    await session.release();
  } catch (error) {
    const names = listSupportedBackends().map(
      ({ name, bundled }) => `${name}${bundled ? "" : " (extra files)"}`,
    );
    const lack = provider === "cuda" ? lackOfCuda() : undefined;
    throw new DiapasonError(
      "runtime/no-device",
      `The device "${provider}" cannot be opened: ${lack?.reason ?? reasonOf(error)}. This ONNX Runtime knows ${names.join(", ")}.`,
      lack?.fix ?? remedies[provider],
      error,
    );
  }
}

/** Whether the provider runs each of the models without handing a node to the CPU. */
export async function takesWhole(models: readonly Uint8Array[], provider: Provider): Promise<boolean[]> {
  const answers: boolean[] = [];
  for (const model of models) {
    try {
      const session = await InferenceSession.create(model, {
        executionProviders: [provider],
        graphOptimizationLevel: "disabled",
        logSeverityLevel: 4,
        extra: { session: { disable_cpu_ep_fallback: "1" } },
      });
      await session.release();
      answers.push(true);
    } catch {
      answers.push(false);
    }
  }
  return answers;
}
