import type { ImageDataset, ImageExample } from "../../data/dataset.ts";
import { openImageFolder } from "../../data/image-folder.node.ts";
import { imageLoader } from "../../data/image-loader.node.ts";
import { defaultCacheBytes } from "../../data/pixel-cache.ts";
import { savePreprocessor } from "../../data/preprocessor.node.ts";
import { readThumbnail } from "../../data/thumbnail.node.ts";
import { compareEvaluations } from "../../evaluate/compare.ts";
import type { Evaluation } from "../../evaluate/evaluate.ts";
import { withPurpose } from "../../models/config.ts";
import { replaceHead } from "../../models/head.ts";
import type { Model } from "../../models/model.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { problemTypes } from "../../tasks/label-loss.ts";
import { type ClassifierResult, constantNotes, mistakesOf, scoresOf } from "../classifier/result.ts";
import type { TuneSettings } from "../options/tune.ts";
import type { Judged, TaskRun } from "../task.ts";
import type { Found } from "../tune/events.ts";
import { augmentationOf } from "./augment.ts";
import { evaluateExecutable, evaluateModel, openImageModel } from "./classifier.node.ts";
import { labelColumnOf } from "./label-column.ts";
import { trainDataOf, tunableOf, withTuned } from "./training.ts";
import { openZeroShot } from "./zero-shot.node.ts";

/** Opens images and a classifier with a head for their classes. */
export async function prepareImages(options: TuneSettings, runtime: Runtime): Promise<TaskRun> {
  const labelColumn = labelColumnOf(options.labelColumn);
  const dataset = await openImageFolder(options.data, {
    seed: options.seed,
    validationShare: options.validationShare,
    ...(labelColumn !== undefined && { labelColumn }),
    ...(options.limitPerClass === undefined ? {} : { limitPerClass: options.limitPerClass }),
  });
  const { classes, splits, findings } = dataset;
  const opened = await openImageModel(options.model, options, runtime);
  const { seed, zeroShot, prompt } = options;
  const model = zeroShot
    ? await openZeroShot(options.model, { labels: classes, prompt, seed }, runtime)
    : replaceHead(opened.model, { labels: classes, seed });
  // What was said of another head than the one it gets would mislead.
  const said = zeroShot ? opened.notes.filter((note) => !opened.model.notes.includes(note)) : opened.notes;
  const loader = imageLoader(opened.preprocessor);
  const judging = { loader, classes: classes.length, batchSize: options.batchSize };
  const proof = splits.test.length > 0 ? "test" : "validation";
  return {
    model,
    isFreshHead: !zeroShot && (model.graph !== opened.model.graph || (model.network?.fresh.size ?? 0) > 0),
    data: foundIn(dataset),
    size: splits.train.length,
    notes: [...new Set([...said, ...model.notes, ...findings.map(({ message }) => message)])],
    batchBound: augmentationOf(options.augment, opened.preprocessor)?.mixup
      ? "mixup mixes the images of a batch"
      : "",
    keptBytes: cachedBytes(dataset, opened.preprocessor),
    goal: { name: "accuracy", mode: "max", tie: { name: "loss", mode: "min" } },
    proof,
    training(network) {
      const { tunable, targets } = tunableOf(network, options.dropout ?? 0);
      return { tunable, data: trainDataOf(options, { dataset, loader }, network.input.name, targets) };
    },
    async validate(executable) {
      const examples = splits.validation;
      return scoresOf(await evaluateExecutable(executable, model, { ...judging, examples })).metrics;
    },
    async judge(network): Promise<Judged> {
      const evaluated = (one: Model) => evaluateModel(one, runtime, { ...judging, examples: splits[proof] });
      const before = await evaluated(network);
      return {
        scores: scoresOf(before),
        seconds: before.seconds,
        async against(tuned) {
          const after = await evaluated(tuned);
          const details = await detailsOf(before, after, dataset);
          const told = constantNotes(after, classes, "images");
          return { after: scoresOf(after), pValue: details.mcnemar.pValue, details, notes: told };
        },
      };
    },
    tuned(network, values) {
      const tuned = withTuned(network, classes, values);
      // A base that told several labels, or a number, would else be read as one that still does.
      const config = withPurpose(
        { ...tuned.config, problem_type: problemTypes.class },
        { task: "image-classification" },
      );
      return { judged: tuned, saved: { ...tuned, config } };
    },
    saving: { keepNames: false, more: (folder) => savePreprocessor(folder, opened.preprocessor) },
    close: () => loader.close(),
  };
}

const countOf = (examples: readonly ImageExample[], label: number) =>
  examples.filter((example) => example.label === label).length;

function foundIn({ root, origin, classes, splits }: ImageDataset): Found["data"] {
  const { train, validation, test } = splits;
  return {
    root,
    origin,
    unit: "images",
    examples: { train: train.length, validation: validation.length, test: test.length },
    arrays: [],
    classes: classes.map((name, label) => ({
      name,
      train: countOf(train, label),
      validation: countOf(validation, label),
      test: countOf(test, label),
    })),
  };
}

/** Bytes of the resized images that the loader keeps. */
function cachedBytes(
  { splits }: ImageDataset,
  { height, width, channels }: { readonly height: number; readonly width: number; readonly channels: number },
): number {
  const images = splits.train.length + splits.validation.length + splits.test.length;
  return Math.min(defaultCacheBytes, images * height * width * channels);
}

async function detailsOf(
  before: Evaluation,
  after: Evaluation,
  { classes, splits }: ImageDataset,
): Promise<Pick<ClassifierResult, "classes" | "trainCounts" | "before" | "after" | "mcnemar" | "mistakes">> {
  const { mcnemar } = compareEvaluations(before, after);
  const pictures = new Map<string, { readonly picture: string }>();
  for (const { id, path } of after.worst) pictures.set(id, { picture: await readThumbnail(path) });
  return {
    classes,
    trainCounts: classes.map((_, label) => countOf(splits.train, label)),
    before: before.metrics,
    after: after.metrics,
    mcnemar,
    mistakes: mistakesOf(after, classes, pictures),
  };
}
