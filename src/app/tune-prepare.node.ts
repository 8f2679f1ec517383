import { relative, resolve } from "node:path";
import type { z } from "zod";
import { DiapasonError } from "../base/errors.ts";
import type { ImageDataset, ImageLoader } from "../data/dataset.ts";
import { openImageFolder } from "../data/image-folder.node.ts";
import { imageLoader } from "../data/image-loader.node.ts";
import { replaceHead } from "../models/head.ts";
import type { Model } from "../models/model.ts";
import { checkFree } from "../models/save.node.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Plan, ScheduleSpec } from "../tune/plan.ts";
import { planOf } from "../tune/plans.ts";
import { type ImageModel, openImageModel, openRuntime } from "./classifier.node.ts";
import type { tuneOptions } from "./options.ts";

/** Options of a tuning run with every default filled in and its run folder named. */
export type ResolvedTuning = z.output<typeof tuneOptions> & { readonly run: string };

/** Everything a run needs, opened and checked; nothing is written yet. */
export interface Tuning {
  readonly options: ResolvedTuning;
  readonly resume: boolean;
  readonly opened: ImageModel;
  /** The opened model with a head for the data's classes. */
  readonly model: Model;
  readonly isFreshHead: boolean;
  readonly dataset: ImageDataset;
  readonly plan: Plan;
  readonly runtime: Runtime;
  readonly loader: ImageLoader;
}

/**
 * Opens model, data and runtime and makes the plan.
 *
 * @throws models/output-exists when the output or run folder holds something and `force` is not given,
 * app/overlapping-folders.
 */
export async function prepareTuning(
  options: ResolvedTuning,
  { resume }: { readonly resume: boolean },
): Promise<Tuning> {
  refuseOverlap(options);
  await checkFree(options.out, options.force);
  if (!resume) await checkFree(options.run, options.force);
  const dataset = await openImageFolder(options.data, {
    seed: options.seed,
    validationShare: options.validationShare,
    ...(options.limitPerClass === undefined ? {} : { limitPerClass: options.limitPerClass }),
  });
  const runtime = await openRuntime(options);
  try {
    const opened = await openImageModel(options.model, options, runtime);
    const model = replaceHead(opened.model, { labels: dataset.classes, seed: options.seed });
    const plan = planOf(stagesOf(options) ?? options.plan, model.blocks, {
      epochs: options.epochs,
      learningRate: options.learningRate,
      headLearningRate: options.headLearningRate,
      decay: options.decay,
      schedule: scheduleOf(options),
      batchNorm: options.batchNorm,
    });
    return {
      options,
      resume,
      opened,
      model,
      isFreshHead: model.graph !== opened.model.graph,
      dataset,
      plan,
      runtime,
      loader: imageLoader(opened.preprocessor),
    };
  } catch (error) {
    await runtime.dispose();
    throw error;
  }
}

/** What is written may not lie inside what is read, nor in place of it: a second run would read or replace it. */
function refuseOverlap({ model, data, out, run }: ResolvedTuning): void {
  const isIn = (path: string, folder: string) => !relative(resolve(folder), resolve(path)).startsWith("..");
  const pairs = [
    ["output", out, "images", data],
    ["run", run, "images", data],
    ["output", out, "model", model],
    ["run", run, "model", model],
    ["output", out, "run", run],
    ["run", run, "output", out],
  ] as const;
  const found = pairs.find(([, written, , read]) => isIn(written, read));
  if (!found) return;
  const [what, written, of, read] = found;
  throw new DiapasonError(
    "app/overlapping-folders",
    `The ${what} folder "${written}" lies in the folder of the ${of}, "${read}".`,
    `Choose a folder outside of it with --${what === "run" ? "run" : "out"}.`,
  );
}

function stagesOf({ stages, warmup }: ResolvedTuning) {
  return stages?.map(({ schedule, warmup: own, ...stage }) => {
    const course = scheduleOf({ schedule, warmup: own ?? (schedule && warmup) });
    return course ? { ...stage, schedule: course } : stage;
  });
}

/** Undefined where nothing is said: then the plan has its own. */
function scheduleOf({
  schedule,
  warmup,
}: Pick<ResolvedTuning, "schedule" | "warmup">): ScheduleSpec | undefined {
  if (schedule === undefined && warmup === undefined) return undefined;
  return { kind: schedule ?? "cosine", warmupShare: warmup ?? 0.1 };
}
