import { writeFileAtomic } from "../../base/atomic-file.node.ts";
import { openImageFolder } from "../../data/image-folder.node.ts";
import { imageLoader } from "../../data/image-loader.node.ts";
import type { Evaluation } from "../../evaluate/evaluate.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { withNames } from "../classifier/result.ts";
import { emitting } from "../emit.ts";
import { chosenExamples, type Evaluated, type EvaluateSettings } from "../judging.ts";
import { type Note, noteOf, type Progress, progressTo } from "../progress.ts";
import type { VerbContext } from "../verb.ts";
import { evaluateModel, labelsOf, openImageModel } from "./classifier.node.ts";
import { labelColumnOf } from "./label-column.ts";

/** Judges a classifier on labelled images. */
export async function* evaluateImages(
  options: EvaluateSettings,
  runtime: Runtime,
  { signal }: VerbContext,
): AsyncGenerator<Note | Progress | Evaluated, void> {
  const { model, preprocessor, notes } = await openImageModel(options.model, options, runtime);
  yield* notes.map(noteOf);
  const classes = labelsOf(model);
  const labelColumn = labelColumnOf(options.labelColumn);
  const dataset = await openImageFolder(options.data, {
    seed: options.ofRun?.seed ?? 0,
    validationShare: options.ofRun?.validationShare ?? 0,
    classes,
    ...(labelColumn !== undefined && { labelColumn }),
  });
  const [split, examples] = chosenExamples(dataset, "images", options);
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
    const worst = evaluation.worst.map((mistake) => withNames(mistake, classes));
    yield {
      type: "evaluated",
      model: source,
      data,
      split,
      unit: "images",
      classes,
      metrics: evaluation.metrics,
      worst,
    };
  } finally {
    await loader.close();
  }
}

async function writePredictions(
  path: string,
  { predictions }: Evaluation,
  classes: readonly string[],
): Promise<void> {
  const lines = predictions.map((p) => JSON.stringify({ ...withNames(p, classes), loss: p.loss }));
  await writeFileAtomic(path, `${lines.join("\n")}\n`);
}
