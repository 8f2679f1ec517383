import { random } from "../../base/random.ts";
import type { AugmentOptions, ImagePreprocessor } from "../dataset.ts";
import { mirrorPixels, type Pixels } from "../pixels.ts";
import { cropPadded, cropResized } from "./crop.ts";
import { jitterColor } from "./jitter.ts";
import { randAugment } from "./rand-augment.ts";

/** What names an example in an epoch, and so its random changes. */
export interface AugmentKey {
  readonly seed: number;
  readonly epoch: number;
  readonly id: string;
}

/**
 * Changes a training image at random: crop, mirror, colours, RandAugment, in this order. The result has the model's
 * size. The same key and options give the same image.
 */
export function augmentImage(
  image: Pixels,
  { height, width, resample = "bilinear" }: Pick<ImagePreprocessor, "height" | "width" | "resample">,
  options: AugmentOptions,
  { seed, epoch, id }: AugmentKey,
): Pixels {
  const stream = random(seed, "augment", epoch, id);
  let changed = image;
  if (options.crop?.kind === "pad") changed = cropPadded(changed, options.crop.pixels, stream);
  if (options.crop?.kind === "resized") {
    changed = cropResized(changed, { height, width, minArea: options.crop.minArea, resample }, stream);
  }
  if (options.flip && stream.uniform() < options.flip) changed = mirrorPixels(changed);
  if (options.color) changed = jitterColor(changed, options.color, stream);
  if (options.randAugment) changed = randAugment(changed, options.randAugment, stream);
  return changed;
}
