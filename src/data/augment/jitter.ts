import type { RandomStream } from "../../base/random.ts";
import type { Pixels } from "../pixels.ts";
import { brightness, contrast, saturation } from "./tone.ts";

/** Brightness, contrast and saturation in random order, each by a factor uniform in 1 ± `strength`: ColorJitter. */
export function jitterColor(image: Pixels, strength: number, stream: RandomStream): Pixels {
  const changes = [brightness, contrast, saturation];
  let changed = image;
  for (const index of stream.permutation(changes.length)) {
    changed = changes[index]!(changed, 1 + strength * (2 * stream.uniform() - 1));
  }
  return changed;
}
