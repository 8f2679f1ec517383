import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { random } from "../../src/base/random.ts";

const child = fileURLToPath(new URL("./resume-child.mjs", import.meta.url));
const root = mkdtempSync(join(tmpdir(), "diapason-resume-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Ending {
  /** Absent when the process was killed. */
  readonly weights: string | undefined;
  readonly steps: number;
}

/** Runs the child, killing it so many milliseconds after a number of its steps; undefined lets it end. */
function run(
  folder: string,
  kill?: { readonly afterSteps: number; readonly delayMs: number },
): Promise<Ending> {
  return new Promise((resolve, reject) => {
    const process = spawn("node", [child, folder], { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let errors = "";
    const arm = () => {
      const steps = output.match(/^step /gm)?.length ?? 0;
      if (!kill || steps < kill.afterSteps) return;
      const { delayMs } = kill;
      kill = undefined;
      setTimeout(() => process.kill("SIGKILL"), delayMs);
    };
    process.stdout.on("data", (chunk) => {
      output += String(chunk);
      arm();
    });
    process.stderr.on("data", (chunk) => {
      errors += String(chunk);
    });
    arm();
    process.on("close", (code, signal) => {
      if (code !== 0 && signal !== "SIGKILL") reject(new Error(`the child ended with ${code}: ${errors}`));
      const weights = /^weights (\w+)/m.exec(output)?.[1];
      resolve({ weights, steps: output.match(/^step /gm)?.length ?? 0 });
    });
  });
}

const stepsIn = (folder: string): number[] =>
  readFileSync(join(folder, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { type: string; step: number })
    .flatMap(({ type, step }) => (type === "step" ? [step] : []));

test("a run killed at random instants ends with the weights of one that never was", async () => {
  const whole = await run(join(root, "whole"));
  expect(whole.weights).toBeDefined();
  const folder = join(root, "killed");
  const draw = random(5, "instants");
  let kills = 0;
  for (let i = 0; i < 10; i++) {
    const afterSteps = i === 0 ? 0 : 1 + draw.integer(6);
    const { weights } = await run(folder, { afterSteps, delayMs: i === 0 ? 200 : draw.integer(40) });
    if (weights === undefined) kills++;
  }
  expect(kills).toBeGreaterThanOrEqual(7);
  const resumed = await run(folder);
  expect(resumed.steps).toBeLessThan(whole.steps);
  expect(resumed.weights).toBe(whole.weights);
  expect(stepsIn(folder)).toEqual(stepsIn(join(root, "whole")));
}, 60_000);
