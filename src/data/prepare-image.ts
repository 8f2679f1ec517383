import type { ImagePreprocessor } from "./dataset.ts";
import { cropCentre, type Pixels } from "./pixels.ts";
import { resizePixels } from "./resize.ts";

/**
 * How large an image is kept. "model": as the model takes it. "roomy": with the proportions of the file, its shorter
 * side a quarter longer than the model's, so that random parts of it still have enough pixels.
 */
export type KeptSize = "model" | "roomy";

/** Share by which a roomy image is longer than the model's. */
const roominess = 1.25;

/** Resizes and crops a decoded image for keeping; gives the image itself where it fits as it is. */
export function prepareImage(image: Pixels, preprocessor: ImagePreprocessor, size: KeptSize): Pixels {
  const { height, width } = resizedSize(image, preprocessor, size);
  const fits = height === image.height && width === image.width;
  const resized = fits ? image : resizePixels(image, height, width, preprocessor.resample ?? "bilinear");
  return size === "model" ? cropCentre(resized, preprocessor.height, preprocessor.width) : resized;
}

/** Whether `prepareImage` has any work to do. */
export function needsPreparation(image: Pixels, preprocessor: ImagePreprocessor, size: KeptSize): boolean {
  const { height, width } = resizedSize(image, preprocessor, size);
  if (height !== image.height || width !== image.width) return true;
  return size === "model" && (height !== preprocessor.height || width !== preprocessor.width);
}

/** What the whole image is resized to, before any crop. The longer side is rounded down, as Hugging Face does. */
function resizedSize(
  image: Pixels,
  { height, width, resize, resizeTo }: ImagePreprocessor,
  size: KeptSize,
): { readonly height: number; readonly width: number } {
  const side = resizeTo ?? Math.min(height, width);
  if (size === "model" && resize === "exact") return { height, width };
  if (size === "model" && resize === "exact-crop") return { height: side, width: side };
  const shorter = Math.min(image.height, image.width);
  // A roomy image is never enlarged: that would add no detail.
  const target = size === "model" ? side : Math.min(shorter, Math.ceil(Math.min(height, width) * roominess));
  const scaled = (length: number) => (length === shorter ? target : Math.floor((target * length) / shorter));
  return { height: scaled(image.height), width: scaled(image.width) };
}
