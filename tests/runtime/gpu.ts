import { existsSync } from "node:fs";
import { join } from "node:path";
import { type GpuOptions, webgpuRuntime } from "../../src/runtime/gpu.node.ts";

/** Where browsers bring SwiftShader, a Vulkan driver that computes on the CPU. */
const softwareDrivers = ["/usr/lib/chromium", "/usr/lib/chromium-browser", "/opt/google/chrome"].filter(
  (folder) => existsSync(join(folder, "vk_swiftshader_icd.json")),
);

/** dlopen's flags: resolve now, and never unload. */
const stays = 2 | 0x1000;

/**
 * Why WebGPU cannot be tested on this machine; undefined where it can. A machine without a GPU uses the SwiftShader of a
 * browser, if there is one.
 */
export async function whyNoWebGpu(): Promise<string | undefined> {
  const [folder] = softwareDrivers;
  if (process.platform === "linux" && folder && !process.env["VK_DRIVER_FILES"]) {
    process.env["VK_DRIVER_FILES"] = join(folder, "vk_swiftshader_icd.json");
    try {
      // The browser's own Vulkan loader, for machines without one: once in the process it is found by its name.
      process.dlopen({ exports: {} }, join(folder, "libvulkan.so.1"), stays);
    } catch {
      // It is no Node module, which Node says after it has loaded it.
    }
  }
  try {
    const runtime = await webgpuRuntime();
    await runtime.dispose();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

export const openWebGpu = (options: GpuOptions = {}) => webgpuRuntime({ threads: 1, ...options });
