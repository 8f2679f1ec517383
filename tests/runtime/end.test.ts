import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";

const file = (name: string) => pathToFileURL(resolve(import.meta.dirname, "../../dist", name)).href;
const runtime = file("runtime/cpu.node.js");

const folder = mkdtempSync(join(tmpdir(), "diapason-end-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a program prints. It is a file, as threads inherit the flags that a program in an argument needs, and fail on them. */
async function printed(text: string): Promise<string> {
  const path = join(folder, "program.mjs");
  writeFileSync(path, text);
  return (await promisify(execFile)(process.execPath, [path])).stdout.trim();
}

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
  expect(await printed(program)).toBe("whole");
});

/** Ends a runtime while it still has runs to make. */
const busy = `
import { cpuRuntime } from "${runtime}";
import { loadOnnx } from "${file("formats/onnx/file.node.js")}";
const graph = await loadOnnx("${resolve(import.meta.dirname, "../fixtures/formats/opset-23.onnx")}");
const x = { dtype: "float32", dims: [1, 3], data: Float32Array.of(1, 2, 3) };
for (let i = 0; i < 12; i++) {
  const runtime = await cpuRuntime();
  const executable = await runtime.compile(graph);
  const runs = Array.from({ length: i }, () => executable.run({ x }, { outputs: ["y"] }));
  if (i % 2) await runs[0];
  await Promise.all([runtime.dispose(), ...runs]);
}
console.log("whole");`;

/** Leaves loops over batches with more of them under way, and closes their image loaders. */
const leaving = `
import { imageLoader } from "${file("data/image-loader.node.js")}";
const size = { height: 8, width: 8, channels: 1, rescaleFactor: 1, mean: [0], std: [1], resize: "exact", layout: "nchw" };
const path = "${resolve(import.meta.dirname, "../fixtures/images/waves.png")}";
const examples = Array.from({ length: 40 }, (_, i) => ({ id: String(i), path, label: 0 }));
for (let i = 0; i < 40; i++) {
  const loader = imageLoader(size, { ahead: 8 });
  let seen = 0;
  for await (const _ of loader.batches({ examples, batchSize: 1, classes: 1, seed: 0, epoch: 0, shuffle: false }))
    if (seen++ === i % 7) break;
  await loader.close();
}
console.log("whole");`;

test.each([
  ["a runtime that is ended at its work", busy],
  ["an image loader that is closed at its work", leaving],
])("%s: the process goes on, and ends when it has done all", { timeout: 60_000 }, async (_, text) => {
  expect(await printed(text)).toBe("whole");
});
