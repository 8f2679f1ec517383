import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { checkWritable, writeFileAtomic } from "../base/atomic-file.node.ts";
import { checkFree } from "../models/save.node.ts";
import { type DigitSplit, lettersModel, unpackDigits } from "./demo/data.node.ts";
import { type DemoDone, type DemoEvent, DemoRecord, type DemoResult } from "./demo/events.ts";
import { type DemoArm, demoSettings, demoTraining } from "./demo/plan.ts";
import { demoReport, leadOf } from "./demo/report.ts";
import { untrained } from "./demo/weights.ts";
import { deviceOptions } from "./options/common.ts";
import { parseOptions } from "./options/parse.ts";
import { tuneOptions } from "./options/tune.ts";
import { outlines } from "./outlines.ts";
import { reportPage } from "./report/page.ts";
import { readRun } from "./run-record.node.ts";
import { reportOf } from "./tasks.node.ts";
import type { TuneVerbEvent } from "./tune/events.ts";
import { prepareTuning, type Tuning } from "./tune/prepare.node.ts";
import { runTuning } from "./tune/run.node.ts";
import type { Verb, VerbContext } from "./verb.ts";

const options = z.strictObject({
  out: z.string().default("diapason-demo").describe("folder for the tuned model and the report"),
  perClass: z.int().min(1).max(50).default(10).describe("labelled images of each digit to train on"),
  seed: z
    .int()
    .min(0)
    .default(0)
    .describe("seed of everything random: which images, the new head, their order"),
  force: z.boolean().default(false).describe("replace a folder that no demo made"),
  ...deviceOptions,
});
export type DemoOptions = z.input<typeof options>;
type Settings = z.output<typeof options>;

/** Images of a class that choose the checkpoint. */
const validationPerClass = 20;
const about = "demo.json";

/**
 * Tunes the embedded network, which knows letters, on handwritten digits, and trains the same network from scratch
 * beside it. Needs no download.
 */
export const demo: Verb<typeof options, DemoEvent> = {
  ...outlines.demo,
  options,
  async *run(input, context = {}) {
    const started = performance.now();
    const given = parseOptions(options, input);
    const settings = { ...given, out: resolve(given.out) };
    const { out, perClass, seed, force } = settings;
    await checkFree(out, force || (await isDemo(out)));
    await checkWritable(join(out, about));
    await layOut(out, { perClass, validationPerClass, seed });
    const results: Partial<Record<DemoArm, DemoResult>> = {};
    for (const arm of ["pretrained", "scratch"] as const) {
      const record = new DemoRecord();
      yield { type: "demo-arm", arm, message: messages[arm] };
      for await (const event of trainArm(arm, settings, context)) {
        record.take(event);
        yield event;
      }
      if (!record.result) return;
      results[arm] = record.result;
    }
    yield await finish(settings, results as DemoDone["results"], (performance.now() - started) / 1000);
  },
};

/** Makes the demo's folder with its images, or none. */
async function layOut(out: string, split: DigitSplit): Promise<void> {
  const digits = join(out, "digits");
  const made = existsSync(out) ? digits : out;
  await rm(digits, { recursive: true, force: true });
  try {
    await writeFileAtomic(join(out, about), "{}\n");
    await unpackDigits(digits, split);
  } catch (error) {
    await rm(made, { recursive: true, force: true });
    throw error;
  }
}

const messages: { readonly [A in DemoArm]: string } = {
  pretrained: "Tuning a network that knows letters and no digit: its head first, then thawing from the top.",
  scratch: "Training the same network from random weights: the same images, as many steps.",
};

/** One of the two trainings, through the machinery of `tune`. */
async function* trainArm(
  arm: DemoArm,
  { out, seed, device, threads }: Settings,
  context: VerbContext,
): AsyncGenerator<TuneVerbEvent, void> {
  const given = parseOptions(tuneOptions, {
    ...demoSettings,
    model: lettersModel,
    data: join(out, "digits"),
    out: join(out, arm === "pretrained" ? "tuned" : arm),
    stages: demoTraining[arm],
    force: true,
    seed,
    device,
    threads,
  });
  const tuning = await prepareTuning(
    { ...given, task: "image-classification", run: join(out, "runs", arm) },
    { resume: false, modelPath: given.model, dataPath: given.data },
  );
  yield* runTuning(arm === "pretrained" ? tuning : fromScratch(tuning, seed), context);
}

/** The same tuning of a network that knows nothing yet, which is judged before its training as well. */
function fromScratch(tuning: Tuning, seed: number): Tuning {
  const model = untrained(tuning.model, seed);
  return { ...tuning, model, task: { ...tuning.task, model } };
}

/** Writes the report over both trainings, and their numbers as demo.json. */
async function finish(
  { out, perClass }: Settings,
  results: DemoDone["results"],
  seconds: number,
): Promise<DemoDone> {
  const report = join(out, "report.html");
  const lead = leadOf({ perClass, results });
  const done: DemoDone = {
    type: "demo",
    lead,
    out,
    report,
    model: join(out, "tuned"),
    perClass,
    results,
    seconds,
  };
  const tuned = reportOf(await readRun(join(out, "runs", "pretrained")));
  await writeFileAtomic(report, await reportPage(demoReport(tuned, done)));
  await writeFileAtomic(join(out, about), `${JSON.stringify(done)}\n`);
  return done;
}

/** Whether a demo made this folder, to its end or not. */
const isDemo = (folder: string): Promise<boolean> =>
  readFile(join(folder, about)).then(
    () => true,
    () => false,
  );
