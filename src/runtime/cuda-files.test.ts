import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { lackOfCuda } from "./cuda-files.node.ts";
import { reasonOf } from "./reason.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-cuda-"));
afterAll(() => rmSync(folder, { recursive: true }));
const isLinux = process.platform === "linux" && process.arch === "x64";

describe.runIf(isLinux)("what CUDA lacks", () => {
  test("the files", () => {
    expect(lackOfCuda(folder)?.reason).toBe("ONNX Runtime's CUDA files are not installed");
    expect(lackOfCuda(folder)?.fix).toContain("ONNXRUNTIME_NODE_INSTALL=cuda12");
  });

  test("a library that they need", () => {
    // The binding looks for ONNX Runtime beside it.
    const binding = join(
      createRequire(import.meta.url).resolve("onnxruntime-node/package.json"),
      "../bin/napi-v6/linux/x64/onnxruntime_binding.node",
    );
    copyFileSync(binding, join(folder, "libonnxruntime_providers_cuda.so"));
    expect(lackOfCuda(folder)?.reason).toMatch(
      /^its files need libonnxruntime\.so\.1, which the system does not find$/,
    );
  });
});

test("what ONNX Runtime says of a machine without a GPU", () => {
  const said =
    "/onnxruntime_src/cuda_call.cc:154 std::conditional_t<THRW, void> onnxruntime::CudaCall(ERRTYPE) [with ERRTYPE = cudaError] " +
    "CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ; hostname=here ; expr=cudaSetDevice(info_.device_id); ";
  expect(reasonOf(new Error(said))).toBe("no CUDA-capable device is detected");
});
