import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const runtime = pathToFileURL(resolve(import.meta.dirname, "../dist/runtime/cpu.node.js")).href;

/** Ends a runtime after each of many delays, most of which fall while its thread still loads ONNX Runtime. */
const program = `
import { cpuRuntime } from "${runtime}";
for (let delay = 0; delay < 160; delay += 4) {
  const runtime = await cpuRuntime();
  await new Promise((resolve) => setTimeout(resolve, delay));
  await runtime.dispose();
}
console.log("whole");`;

test("a runtime that is ended at any time takes nothing with it", { timeout: 60_000 }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program]);
  expect(stdout.trim()).toBe("whole");
});
