import { describe } from "vitest";
import { describeRuntime } from "./conformance/runtime.ts";
import { openWebGpu, whyNoWebGpu } from "./gpu.ts";

const reason = await whyNoWebGpu();

describe.skipIf(reason)(`WebGPU${reason ? ` (skipped: ${reason})` : ""}`, () => {
  describeRuntime("webgpu", openWebGpu, { float64: "WebGPU has no 64-bit floating point" });
});
