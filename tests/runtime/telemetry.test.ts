import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { cli } from "../cli/command-line.ts";
import { newFolder } from "../new-folder.ts";

const graph = join(import.meta.dirname, "../fixtures/networks/depthwise.onnx");

/** What a command that runs a graph leaves in the user's home and beside other temporary files. */
async function leftBy(environment: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const home = newFolder();
  const env = { PATH: process.env["PATH"], HOME: home, TMPDIR: home, ...environment };
  await promisify(execFile)(process.execPath, [cli, "gradcheck", graph, "--samples", "1"], { env });
  return readdirSync(home, { recursive: true, encoding: "utf8" });
}

test("ONNX Runtime keeps to itself what is run", { timeout: 60_000 }, async () => {
  expect(await leftBy({})).toEqual([]);
});

// Without it the test above could not fail.
const hasTelemetry = process.platform === "linux" && process.arch === "x64";
test.runIf(hasTelemetry)("but tells it where that is wanted", { timeout: 60_000 }, async () => {
  const files = await leftBy({ ORT_DISABLE_TELEMETRY: "0" });
  expect(files).toContainEqual(expect.stringMatching(/deviceid$/));
});
