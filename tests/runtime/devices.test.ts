import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lettersModel } from "../../src/app/demo/data.node.ts";
import { cudaRuntime } from "../../src/runtime/gpu.node.ts";
import { diapason } from "../cli/command-line.ts";

/** A command on a device that is not there: what it must say, whatever this machine has. */
let folder = "";
const driver = process.env["VK_DRIVER_FILES"];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "diapason-devices-"));
  // Vulkan then finds no driver, on a machine with a GPU too.
  process.env["VK_DRIVER_FILES"] = join(folder, "none.json");
});
afterAll(() => {
  if (driver === undefined) delete process.env["VK_DRIVER_FILES"];
  else process.env["VK_DRIVER_FILES"] = driver;
  rmSync(folder, { recursive: true });
});

const hasCuda = await cudaRuntime().then(
  async (runtime) => {
    await runtime.dispose();
    return true;
  },
  () => false,
);

test.skipIf(process.platform !== "linux")("webgpu without a driver", async () => {
  const { code, err } = await diapason(["inspect", "--model", lettersModel, "--device", "webgpu"], {
    cwd: folder,
  });
  expect(code).toBe(2);
  expect(err).toContain('The device "webgpu" cannot be opened: Failed to get a WebGPU adapter');
  expect(err).toMatch(/knows cpu, webgpu/);
  expect(err).toContain("Vulkan loader");
  expect(err).toContain("runtime/no-device");
});

test.skipIf(hasCuda)("cuda without its files", async () => {
  const { code, err } = await diapason(["inspect", "--model", lettersModel, "--device", "cuda"], {
    cwd: folder,
  });
  expect(code).toBe(2);
  expect(err).toContain('The device "cuda" cannot be opened');
  expect(err).toContain("ONNXRUNTIME_NODE_INSTALL=cuda12");
  expect(err).toContain("runtime/no-device");
});

test("a device that nobody knows", async () => {
  const { code, err } = await diapason(["inspect", "--model", lettersModel, "--device", "webgpv"], {
    cwd: folder,
  });
  expect(code).toBe(2);
  expect(err).toMatch(/webgpv/);
  expect(err).toMatch(/cpu.*webgpu.*cuda/);
});
