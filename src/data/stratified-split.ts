import { DiapasonError } from "../base/errors.ts";
import { random } from "../base/random.ts";
import type { ImageExample } from "./dataset.ts";

/** Examples by label, each group in the order given. */
export function byLabel(examples: readonly ImageExample[]): Map<number, ImageExample[]> {
  const groups = new Map<number, ImageExample[]>();
  for (const example of examples) {
    const group = groups.get(example.label);
    if (group) group.push(example);
    else groups.set(example.label, [example]);
  }
  return groups;
}

/**
 * Takes the same share of each class away, at least one image and at most all but one. Both parts keep their order.
 *
 * `share`: 0 < share < 1. Which images go depends on `seed`, `purpose` and the class alone, not on other classes.
 * @throws data/class-too-small when a class has one image.
 */
export function splitStratified(
  examples: readonly ImageExample[],
  share: number,
  {
    seed,
    purpose,
    classes,
  }: { readonly seed: number; readonly purpose: string; readonly classes: readonly string[] },
): { readonly kept: readonly ImageExample[]; readonly taken: readonly ImageExample[] } {
  const taken = new Set<ImageExample>();
  for (const [label, group] of byLabel(examples)) {
    if (group.length < 2) {
      throw new DiapasonError(
        "data/class-too-small",
        `The class "${classes[label]}" has one image ("${group[0]!.id}"), so it cannot be split into training and ${purpose}.`,
        `Add images of "${classes[label]}", remove the class, or give the ${purpose} images in a folder of their own.`,
      );
    }
    const count = Math.min(group.length - 1, Math.max(1, Math.round(group.length * share)));
    const order = random(seed, "split", purpose, classes[label]!).permutation(group.length);
    for (const index of order.subarray(0, count)) taken.add(group[index]!);
  }
  return {
    kept: examples.filter((example) => !taken.has(example)),
    taken: examples.filter((example) => taken.has(example)),
  };
}

/** At most `limit` examples of each class, chosen by `seed`; more of them with a higher limit. The order stays. */
export function limitPerClass(
  examples: readonly ImageExample[],
  limit: number,
  seed: number,
  classes: readonly string[],
): readonly ImageExample[] {
  const chosen = new Set<ImageExample>();
  for (const [label, group] of byLabel(examples)) {
    const order = random(seed, "limit", classes[label]!).permutation(group.length);
    for (const index of order.subarray(0, limit)) chosen.add(group[index]!);
  }
  return examples.filter((example) => chosen.has(example));
}
