import { InferenceSession } from "onnxruntime-node";
import type { CompileRequest } from "./messages.ts";

/**
 * WebGPU's convolutions in its own choice of layout, channels last, give wrong numbers where a product of channels and
 * sizes is odd to its tiles (6 channels to 12, for one; onnxruntime-node 1.30): channels stay first.
 */
const providers = {
  cpu: "cpu",
  cuda: "cuda",
  webgpu: { name: "webgpu", preferredLayout: "NCHW" },
} as const;

/** Compiles a graph as every device does; `threads`: of one operator on the CPU, undefined for one each core. */
export function openSession(
  request: Pick<CompileRequest, "model" | "weights" | "isTraining">,
  provider: "cpu" | "webgpu" | "cuda",
  threads: number | undefined,
  more: InferenceSession.SessionOptions = {},
): Promise<InferenceSession> {
  const { model } = request;
  const options = { ...sessionOptions(request, provider, threads), ...more };
  return typeof model === "string"
    ? InferenceSession.create(model, options)
    : InferenceSession.create(model, options);
}

function sessionOptions(
  request: Pick<CompileRequest, "weights" | "isTraining">,
  provider: "cpu" | "webgpu" | "cuda",
  threads: number | undefined,
): InferenceSession.SessionOptions {
  return {
    executionProviders: [providers[provider]],
    graphOptimizationLevel: "all",
    executionMode: "sequential",
    // Patterns are planned for one shape and keep the arena at its largest; they save no time in a training step.
    enableMemPattern: !request.isTraining,
    // What goes wrong is thrown; the log would only repeat it.
    logSeverityLevel: 4,
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    ...(request.weights.length === 0 ? {} : { externalData: request.weights }),
    // Threads that wait by spinning take the cores from those that decode images: without, a step of ResNet-20 on two
    // busy cores takes 265 ms instead of 438, one of SqueezeNet's head 434 instead of 524.
    extra: { session: { intra_op: { allow_spinning: "0" } } },
  };
}
