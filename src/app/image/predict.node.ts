import { stat } from "node:fs/promises";
import { DiapasonError } from "../../base/errors.ts";
import type { ImageBatch, ImageExample } from "../../data/dataset.ts";
import { imageLoader } from "../../data/image-loader.node.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { imageClassification } from "../../tasks/image-classification.ts";
import type { Predicted, PredictSettings } from "../judging.ts";
import { type Note, noteOf } from "../progress.ts";
import { refuseFreshHead } from "../tune/fresh-head.ts";
import type { VerbContext } from "../verb.ts";
import { labelsOf, openImageModel } from "./classifier.node.ts";

/** Says what images show. */
export async function* predictImages(
  options: PredictSettings,
  runtime: Runtime,
  { signal }: VerbContext,
): AsyncGenerator<Note | Predicted, void> {
  const examples = await examplesOf(options.inputs);
  const { model, preprocessor, notes } = await openImageModel(options.model, options, runtime);
  refuseFreshHead(model);
  yield* notes.map(noteOf);
  const labels = labelsOf(model);
  const executable = await runtime.compile(model.graph);
  const loader = imageLoader(preprocessor);
  const say = async (batch: ImageBatch): Promise<Predicted[]> => {
    const image = { dtype: "float32", dims: batch.dims, data: batch.pixels } as const;
    const result = await executable.run({ [model.input.name]: image }, { outputs: [model.output.name] });
    const rows = imageClassification.decode(
      result[model.output.name]!.data as Float32Array,
      labels,
      options.top,
    );
    return batch.ids.map((path, i) => ({ type: "prediction", path, labels: rows[i]! }));
  };
  try {
    const { batchSize } = options;
    const batches = loader.batches({
      examples,
      batchSize,
      classes: labels.length,
      seed: 0,
      epoch: 0,
      shuffle: false,
    });
    for await (const batch of batches) {
      signal?.throwIfAborted();
      yield* await say(batch);
    }
  } finally {
    await loader.close();
    await executable.dispose();
  }
}

/** The files as examples without a known class; each must be there before anything is computed. */
async function examplesOf(paths: readonly string[]): Promise<ImageExample[]> {
  for (const path of paths) {
    const info = await stat(path).catch(() => undefined);
    if (info?.isFile() && info.size > 0) continue;
    if (info?.isFile())
      throw new DiapasonError(
        "data/empty-file",
        `The image "${path}" has 0 bytes.`,
        "Copy the file again, or leave it out.",
      );
    throw new DiapasonError(
      "app/no-such-image",
      info ? `"${path}" is a folder.` : `There is no file "${path}".`,
      info ? 'Name image files, or judge a folder with "diapason evaluate".' : "Check the path.",
    );
  }
  return paths.map((path) => ({ id: path, path, label: 0 }));
}
