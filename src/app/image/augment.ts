import type { z } from "zod";
import type { AugmentOptions, ImagePreprocessor } from "../../data/dataset.ts";
import type { tuneOptions } from "../options/tune.ts";

/**
 * What a preset of augmentation means for images of a size. Neither preset mirrors: a mirrored letter, sign or chest is
 * another one; ask for `flip` where left and right do not matter.
 */
export function augmentationOf(
  choice: z.output<typeof tuneOptions>["augment"],
  { height, width }: Pick<ImagePreprocessor, "height" | "width">,
): AugmentOptions | undefined {
  const pad = Math.max(1, Math.round(Math.min(height, width) / 8));
  if (choice === "none") return undefined;
  if (choice === "light") return { crop: { kind: "pad", pixels: pad } };
  if (choice === "strong") {
    return {
      crop: { kind: "pad", pixels: pad },
      color: 0.3,
      randAugment: { operations: 2, magnitude: 7 },
      mixup: 0.2,
    };
  }
  return Object.fromEntries(
    Object.entries(choice).filter(([, value]) => value !== undefined),
  ) as AugmentOptions;
}
