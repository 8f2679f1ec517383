import { stat } from "node:fs/promises";
import { z } from "zod";
import { DiapasonError } from "../base/errors.ts";
import type { ImageBatch, ImageExample } from "../data/dataset.ts";
import { imageLoader } from "../data/image-loader.node.ts";
import { imageClassification, type RankedLabel } from "../tasks/image-classification.ts";
import { labelsOf, openImageModel, openRuntime } from "./classifier.node.ts";
import { deviceOptions, imageOptions, parseOptions } from "./options.ts";
import { type Note, noteOf } from "./progress.ts";
import type { Verb, VerbEvent } from "./verb.ts";

const predictOptions = z.strictObject({
  model: z.string().describe("folder of a tuned model, or ONNX file of a labelled classifier"),
  images: z.array(z.string()).min(1).describe("image files"),
  top: z.int().min(1).default(5).describe("labels an image"),
  batchSize: z.int().min(1).default(16).describe("images at once"),
  ...imageOptions,
  ...deviceOptions,
});
export type PredictOptions = z.input<typeof predictOptions>;

/** What a model says of one image, most probable label first. */
export interface Predicted extends VerbEvent {
  readonly type: "prediction";
  readonly path: string;
  readonly labels: readonly RankedLabel[];
}

/** Says what images show. */
export const predict: Verb<typeof predictOptions, Note | Predicted> = {
  name: "predict",
  summary: "say what images show",
  options: predictOptions,
  positionals: [
    { option: "model", required: true },
    { option: "images", required: true, many: true },
  ],
  async *run(input, { signal } = {}) {
    const options = parseOptions(predictOptions, input);
    const examples = await examplesOf(options.images);
    const runtime = await openRuntime(options);
    try {
      const { model, preprocessor, notes } = await openImageModel(options.model, options, runtime);
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
    } finally {
      await runtime.dispose();
    }
  },
};

/** The files as examples without a known class; each must be there before anything is computed. */
async function examplesOf(paths: readonly string[]): Promise<ImageExample[]> {
  for (const path of paths) {
    const info = await stat(path).catch(() => undefined);
    if (info?.isFile()) continue;
    throw new DiapasonError(
      "app/no-such-image",
      info ? `"${path}" is a folder.` : `There is no file "${path}".`,
      info ? 'Name image files, or judge a folder with "diapason evaluate".' : "Check the path.",
    );
  }
  return paths.map((path) => ({ id: path, path, label: 0 }));
}
