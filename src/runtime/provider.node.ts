import { InferenceSession, listSupportedBackends } from "onnxruntime-node";
import { DiapasonError } from "../base/errors.ts";
import { writeOnnx } from "../formats/onnx/writer.ts";
import { Graph } from "../graph/ir.ts";

export type Provider = "cpu" | "webgpu" | "cuda";

/** What to do where a device cannot be opened. */
const remedies: { readonly [P in Provider]: string } = {
  cpu: "Install onnxruntime-node again.",
  webgpu:
    "Install a driver for the GPU with its Vulkan loader (Linux), or choose --device cpu; docs/devices.md says how to try it without a GPU.",
  cuda: "Fetch ONNX Runtime's CUDA files with `ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node` beside CUDA 12 and cuDNN 9, or choose --device cpu.",
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
    throw new DiapasonError(
      "runtime/no-device",
      `The device "${provider}" cannot be opened: ${reasonOf(error)}. This ONNX Runtime knows ${names.join(", ")}.`,
      remedies[provider],
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

/** The end of what ONNX Runtime says; what comes before it is a place in its sources. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const [first] = text.split("\n");
  return (/ was false\. (.+)/.exec(first!)?.[1] ?? first!).trim().replace(/\.$/, "");
}
