import { imageOptions } from "../options.ts";
import type { Task } from "../task.ts";
import { imageCard } from "./card.ts";
import { evaluateImages } from "./evaluate.node.ts";
import { predictImages } from "./predict.node.ts";
import { prepareImages } from "./prepare.node.ts";
import { imageReport } from "./report.ts";
import type { ImageResult } from "./result.ts";

const pixels = Object.keys(imageOptions);

/** One image, one class of several. */
export const imageTask: Task<ImageResult> = {
  name: "image-classification",
  options: {
    tune: [...pixels, "augment", "labelSmoothing", "dropout", "limitPerClass"],
    evaluate: pixels,
    predict: [...pixels, "top"],
  },
  prepare: prepareImages,
  evaluate: evaluateImages,
  predict: predictImages,
  report: imageReport,
  card: imageCard,
};
