import { z } from "zod";
import { writeFileAtomic } from "../base/atomic-file.node.ts";
import { DiapasonError } from "../base/errors.ts";
import type { ImageDataset } from "../data/dataset.ts";
import { openImageFolder } from "../data/image-folder.node.ts";
import { imageLoader } from "../data/image-loader.node.ts";
import type { Evaluation, Prediction } from "../evaluate/evaluate.ts";
import type { ClassificationMetrics } from "../tasks/classification-metrics.ts";
import { evaluateModel, labelsOf, openImageModel, openRuntime } from "./classifier.node.ts";
import { emitting } from "./emit.ts";
import { deviceOptions, imageOptions, parseOptions } from "./options.ts";
import { type Note, noteOf, type Progress, progressTo } from "./progress.ts";
import { refuseExisting } from "./refuse-existing.node.ts";
import type { Verb, VerbEvent } from "./verb.ts";

const evaluateOptions = z.strictObject({
  model: z.string().describe("folder of a tuned model, or ONNX file of a labelled classifier"),
  data: z.string().describe("folder of images: class folders, or metadata.csv / metadata.jsonl"),
  split: z
    .enum(["train", "validation", "test", "all"])
    .optional()
    .describe("which images; default: test, else all"),
  predictions: z.string().optional().describe("file for what the model said of each image (JSON lines)"),
  force: z.boolean().default(false).describe("replace the file of predictions"),
  batchSize: z.int().min(1).default(32).describe("images at once"),
  ...imageOptions,
  ...deviceOptions,
});
export type EvaluateOptions = z.input<typeof evaluateOptions>;

/** How a model does on labelled images. */
export interface Evaluated extends VerbEvent {
  readonly type: "evaluated";
  readonly model: string;
  readonly data: string;
  readonly split: string;
  readonly classes: readonly string[];
  readonly metrics: ClassificationMetrics;
  readonly worst: readonly Mistaken[];
}

/** A wrong prediction by class names. */
export interface Mistaken {
  readonly id: string;
  readonly label: string;
  readonly predicted: string;
  readonly probability: number;
}

/** Judges a model on labelled images. */
export const evaluate: Verb<typeof evaluateOptions, Note | Progress | Evaluated> = {
  name: "evaluate",
  summary: "judge a model on labelled images",
  options: evaluateOptions,
  positionals: [{ option: "model", required: true }],
  async *run(input, { signal } = {}) {
    const options = parseOptions(evaluateOptions, input);
    if (options.predictions && !options.force) refuseExisting(options.predictions);
    const runtime = await openRuntime(options);
    try {
      const { model, preprocessor, notes } = await openImageModel(options.model, options, runtime);
      yield* notes.map(noteOf);
      const classes = labelsOf(model);
      const dataset = await openImageFolder(options.data, { seed: 0, validationShare: 0, classes });
      const [split, examples] = chosenImages(dataset, options.split);
      const loader = imageLoader(preprocessor);
      try {
        const evaluation = yield* emitting<Progress, Evaluation>((emit) =>
          evaluateModel(model, runtime, {
            loader,
            examples,
            classes: classes.length,
            batchSize: options.batchSize,
            onProgress: progressTo(emit, "evaluating", signal),
          }),
        );
        if (options.predictions) await writePredictions(options.predictions, evaluation, classes);
        const { model: source, data } = options;
        const worst = evaluation.worst.map((mistake) => named(mistake, classes));
        yield { type: "evaluated", model: source, data, split, classes, metrics: evaluation.metrics, worst };
      } finally {
        await loader.close();
      }
    } finally {
      await runtime.dispose();
    }
  },
};

function chosenImages({ root, splits }: ImageDataset, asked: z.output<typeof evaluateOptions>["split"]) {
  const split = asked ?? (splits.test.length > 0 ? "test" : "all");
  const examples = split === "all" ? [...splits.train, ...splits.validation, ...splits.test] : splits[split];
  if (examples.length > 0) return [split, examples] as const;
  const there = (["train", "validation", "test"] as const).filter((name) => splits[name].length > 0);
  throw new DiapasonError(
    "app/empty-split",
    `"${root}" has no ${split} images; it has ${there.join(" and ")} images.`,
    `Ask for --split ${there[0]}, or for all.`,
  );
}

async function writePredictions(
  path: string,
  { predictions }: Evaluation,
  classes: readonly string[],
): Promise<void> {
  const lines = predictions.map((p) => JSON.stringify({ ...named(p, classes), loss: p.loss }));
  await writeFileAtomic(path, `${lines.join("\n")}\n`);
}

const named = ({ id, label, predicted, probability }: Prediction, classes: readonly string[]): Mistaken => ({
  id,
  label: classes[label]!,
  predicted: classes[predicted]!,
  probability,
});
