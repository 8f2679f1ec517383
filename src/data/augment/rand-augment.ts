import type { RandomStream } from "../../base/random.ts";
import type { Pixels } from "../pixels.ts";
import * as tone from "./tone.ts";
import { rotation, shearX, shearY, translateX, translateY, warpPixels } from "./warp.ts";

/** An operation at `strength` 0…1. `sign`: 1 or −1, for those that go both ways. */
type Operation = (image: Pixels, strength: number, sign: 1 | -1) => Pixels;

/**
 * The operations and their range at full strength.
 *
 * Source: Cubuk et al. 2020, RandAugment; the ranges are torchvision's (rotation in degrees, shear as a slope,
 * translation as a share of the side).
 */
export const randAugmentOperations: Readonly<Record<string, Operation>> = {
  identity: (image) => image,
  shearX: (image, strength, sign) => warpPixels(image, shearX(0.3 * strength * sign)),
  shearY: (image, strength, sign) => warpPixels(image, shearY(0.3 * strength * sign)),
  translateX: (image, strength, sign) =>
    warpPixels(image, translateX((150 / 331) * image.width * strength * sign)),
  translateY: (image, strength, sign) =>
    warpPixels(image, translateY((150 / 331) * image.height * strength * sign)),
  rotate: (image, strength, sign) => warpPixels(image, rotation(30 * strength * sign)),
  brightness: (image, strength, sign) => tone.brightness(image, 1 + 0.9 * strength * sign),
  saturation: (image, strength, sign) => tone.saturation(image, 1 + 0.9 * strength * sign),
  contrast: (image, strength, sign) => tone.contrast(image, 1 + 0.9 * strength * sign),
  sharpness: (image, strength, sign) => tone.sharpness(image, 1 + 0.9 * strength * sign),
  posterize: (image, strength) => tone.posterize(image, 8 - Math.round(4 * strength)),
  solarize: (image, strength) => tone.solarize(image, 255 * (1 - strength)),
  autocontrast: (image) => tone.autocontrast(image),
  equalize: (image) => tone.equalize(image),
};

const all = Object.values(randAugmentOperations);

/** Applies operations drawn with replacement, all of the same magnitude, 0…10. */
export function randAugment(
  image: Pixels,
  { operations, magnitude }: { readonly operations: number; readonly magnitude: number },
  stream: RandomStream,
): Pixels {
  let changed = image;
  for (let i = 0; i < operations; i++) {
    const operation = all[stream.integer(all.length)]!;
    changed = operation(changed, magnitude / 10, stream.uniform() < 0.5 ? 1 : -1);
  }
  return changed;
}
