import { augmentImage } from "./augment/augment-image.ts";
import { drawMixup, type Mixup } from "./augment/mixup.ts";
import type { AugmentOptions, ImageBatch, ImagePreprocessor } from "./dataset.ts";
import type { Pixels } from "./pixels.ts";

/** Everything that decides a batch; can be sent to another thread. */
export interface BatchJob {
  readonly ids: readonly string[];
  readonly labels: Int32Array;
  readonly images: readonly Pixels[];
  readonly preprocessor: ImagePreprocessor;
  readonly classes: number;
  readonly smoothing: number;
  readonly seed: number;
  readonly epoch: number;
  /** Number of the batch in its epoch, from 0. */
  readonly batch: number;
  readonly augment: AugmentOptions | undefined;
}

/** Augments, normalises and mixes decoded images into a batch. The same job gives the same bits everywhere. */
export function assembleBatch(job: BatchJob): ImageBatch {
  const { ids, labels, images, preprocessor, augment } = job;
  const { height, width, channels, layout } = preprocessor;
  const elements = height * width * channels;
  const pixels = new Float32Array(images.length * elements);
  for (const [i, image] of images.entries()) {
    const seen = augment ? augmentImage(image, preprocessor, augment, { ...job, id: ids[i]! }) : image;
    normalise(seen, preprocessor, pixels.subarray(i * elements, (i + 1) * elements));
  }
  const targets = smoothedTargets(labels, job.classes, job.smoothing);
  const mixup = augment?.mixup ? drawMixup(images.length, augment.mixup, job) : undefined;
  const size = layout === "nchw" ? [channels, height, width] : [height, width, channels];
  return {
    ids,
    dims: [images.length, ...size],
    labels,
    pixels: mixup ? mixRows(pixels, elements, mixup) : pixels,
    targets: mixup ? mixRows(targets, job.classes, mixup) : targets,
  };
}

/** (pixel · rescaleFactor − mean) / std, in the layout and channel order of the model. */
function normalise(image: Pixels, preprocessor: ImagePreprocessor, into: Float32Array): void {
  const { channels, rescaleFactor, mean, std, layout, channelOrder } = preprocessor;
  const area = image.height * image.width;
  for (let c = 0; c < channels; c++) {
    const scale = rescaleFactor / std[c]!;
    const shift = -mean[c]! / std[c]!;
    const from = channelOrder === "bgr" ? channels - 1 - c : c;
    const [start, step] = layout === "nchw" ? [c * area, 1] : [c, channels];
    for (let i = 0; i < area; i++) into[start + i * step] = image.data[i * channels + from]! * scale + shift;
  }
}

/** One-hot rows with `smoothing` of their mass spread over all classes (Szegedy et al. 2016, §7). */
function smoothedTargets(labels: Int32Array, classes: number, smoothing: number): Float32Array {
  const targets = new Float32Array(labels.length * classes).fill(smoothing / classes);
  for (const [i, label] of labels.entries()) targets[i * classes + label]! += 1 - smoothing;
  return targets;
}

/** Row i becomes λ · row i + (1 − λ) · row partner(i). */
function mixRows(rows: Float32Array, width: number, { share, partners }: Mixup): Float32Array {
  const mixed = new Float32Array(rows.length);
  for (let i = 0; i < partners.length; i++) {
    const own = i * width;
    const other = partners[i]! * width;
    for (let j = 0; j < width; j++) mixed[own + j] = share * rows[own + j]! + (1 - share) * rows[other + j]!;
  }
  return mixed;
}
