import type { z } from "zod";
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
 * @throws models/output-exists when the output folder holds something and `force` is not given.
 */
export async function prepareTuning(
  options: ResolvedTuning,
  { resume }: { readonly resume: boolean },
): Promise<Tuning> {
  await checkFree(options.out, options.force);
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
