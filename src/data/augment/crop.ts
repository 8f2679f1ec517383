import type { RandomStream } from "../../base/random.ts";
import type { Resample } from "../dataset.ts";
import { cropPixels, type Pixels } from "../pixels.ts";
import { resizePixels } from "../resize.ts";

/** Moves the image by up to `pixels` along each axis; black comes in. Equals torchvision's RandomCrop with padding. */
export function cropPadded(image: Pixels, pixels: number, stream: RandomStream): Pixels {
  const top = stream.integer(2 * pixels + 1) - pixels;
  const left = stream.integer(2 * pixels + 1) - pixels;
  return cropPixels(image, top, left, image.height, image.width);
}

interface ResizedCrop {
  readonly height: number;
  readonly width: number;
  /** Least share of the image's area, 0 < minArea ≤ 1. */
  readonly minArea: number;
  readonly resample: Resample;
}

/** Proportions of a crop relative to the result's. Source: Szegedy et al. 2015, §6 (as torchvision's defaults). */
const [narrowest, widest] = [3 / 4, 4 / 3];

/** A random part of the image, resized: torchvision's RandomResizedCrop, for results of any proportions. */
export function cropResized(
  image: Pixels,
  { height, width, minArea, resample }: ResizedCrop,
  stream: RandomStream,
): Pixels {
  const box = drawBox(image, width / height, minArea, stream);
  return resizePixels(cropPixels(image, box.top, box.left, box.height, box.width), height, width, resample);
}

function drawBox(image: Pixels, proportion: number, minArea: number, stream: RandomStream) {
  const area = image.height * image.width;
  for (let attempt = 0; attempt < 10; attempt++) {
    const part = area * (minArea + (1 - minArea) * stream.uniform());
    const ratio =
      proportion * Math.exp(Math.log(narrowest) + Math.log(widest / narrowest) * stream.uniform());
    const width = Math.round(Math.sqrt(part * ratio));
    const height = Math.round(Math.sqrt(part / ratio));
    if (width >= 1 && height >= 1 && width <= image.width && height <= image.height) {
      return {
        top: stream.integer(image.height - height + 1),
        left: stream.integer(image.width - width + 1),
        height,
        width,
      };
    }
  }
  // An image too narrow or too wide for its parts: the largest centred part of bearable proportions.
  const ratio = image.width / image.height;
  const height =
    ratio < proportion * narrowest
      ? Math.max(1, Math.round(image.width / (proportion * narrowest)))
      : image.height;
  const width =
    ratio > proportion * widest ? Math.max(1, Math.round(image.height * proportion * widest)) : image.width;
  return { top: (image.height - height) >> 1, left: (image.width - width) >> 1, height, width };
}
