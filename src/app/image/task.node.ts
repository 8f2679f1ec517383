import { classifierCard } from "../classifier/card.ts";
import type { ClassifierKind } from "../classifier/kind.ts";
import { classifierReport } from "../classifier/report.ts";
import type { ClassifierResult } from "../classifier/result.ts";
import { imageOptions } from "../options/common.ts";
import type { Task } from "../task.ts";
import { evaluateImages } from "./evaluate.node.ts";
import { predictImages } from "./predict.node.ts";
import { prepareImages } from "./prepare.node.ts";

const pixels = Object.keys(imageOptions);

const kind: ClassifierKind = {
  task: "image-classification",
  unit: "images",
  dataset: "imagefolder",
  noun: "An image classifier",
  files: "`preprocessor_config.json` the preparation of images",
  loss: "Training: cross-entropy of the augmented batches, averaged over neighbouring steps. Validation: without augmentation.",
};

/** One image, one class of several. */
export const imageTask: Task<ClassifierResult> = {
  name: "image-classification",
  options: {
    tune: [
      ...pixels,
      "labelColumn",
      "augment",
      "labelSmoothing",
      "dropout",
      "limitPerClass",
      "zeroShot",
      "prompt",
    ],
    evaluate: [...pixels, "labelColumn"],
    predict: [...pixels, "top"],
  },
  prepare: prepareImages,
  evaluate: evaluateImages,
  predict: predictImages,
  report: (record) => classifierReport(record, kind),
  card: (facts) => classifierCard(facts, kind),
};
