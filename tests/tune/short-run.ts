import { afterAll, beforeAll } from "vitest";
import { DiapasonError } from "../../src/base/errors.ts";
import { cpuRuntime } from "../../src/runtime/cpu.node.ts";
import type { Executable, Runtime } from "../../src/runtime/runtime.ts";
import type { StepDone, TuneEvent } from "../../src/tune/events.ts";
import { type TuneResult, tuneLoop } from "../../src/tune/loop.ts";
import type { TuneLoopOptions } from "../../src/tune/options.ts";
import { planOf } from "../../src/tune/plans.ts";
import { tinyBatch, tinyData, tinyModel } from "./tiny-problem.ts";

/** What the runs of the file's tests run on. */
export let runtime: Runtime;
beforeAll(async () => {
  runtime = await cpuRuntime({ threads: 1 });
});
afterAll(() => runtime.dispose());

/** Options of a short run of everything, and what a test changes of them. */
export function shortRun(changes: Partial<TuneLoopOptions> = {}): TuneLoopOptions {
  const model = changes.model ?? tinyModel();
  const plan = planOf("full", model.blocks, { epochs: 2, learningRate: 0.02 });
  return { model, plan, data: tinyData(20), runtime, seed: 3, batchSize: 8, ...changes };
}

export async function finish(options: TuneLoopOptions): Promise<{ events: TuneEvent[]; result: TuneResult }> {
  const run = tuneLoop(options);
  const events: TuneEvent[] = [];
  for (;;) {
    const { done, value } = await run.next();
    if (done) return { events, result: value };
    events.push(value);
  }
}

export async function caught(work: Promise<unknown>): Promise<DiapasonError> {
  const error = await work.catch((e: unknown) => e);
  if (error instanceof DiapasonError) return error;
  throw new Error(`no DiapasonError was thrown, but ${String(error)}`);
}

export const stepsOf = (events: readonly TuneEvent[]) =>
  events.filter((e): e is StepDone => e.type === "step");
export const typesOf = (events: readonly TuneEvent[]) => events.map((e) => e.type);

/** Share of points whose largest logit is that of their class. */
export async function accuracy(executable: Executable, data: ReturnType<typeof tinyData>): Promise<number> {
  const { x, targets } = await tinyBatch(data);
  const { logits } = await executable.run({ x: x! });
  const rows = logits!.dims[0]!;
  let right = 0;
  for (let i = 0; i < rows; i++) {
    const row = [...(logits!.data as Float32Array).subarray(3 * i, 3 * i + 3)];
    if (targets!.data[3 * i + row.indexOf(Math.max(...row))] === 1) right++;
  }
  return right / rows;
}
