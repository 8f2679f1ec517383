import { DiapasonError } from "../base/errors.ts";
import { random } from "../base/random.ts";

/** What a split needs to know of an example. `id`: how messages name it. `label`: class number. */
interface Labelled {
  readonly id: string;
  readonly label: number;
}

/** Examples by label, each group in the order given. */
export function byLabel<E extends Labelled>(examples: readonly E[]): Map<number, E[]> {
  const groups = new Map<number, E[]>();
  for (const example of examples) {
    const group = groups.get(example.label);
    if (group) group.push(example);
    else groups.set(example.label, [example]);
  }
  return groups;
}

/**
 * Takes the same share of each class away, at least one and at most all but one. Both parts keep their order.
 *
 * `share`: 0 < share < 1. Which images go depends on `seed`, `purpose` and the class alone, not on other classes.
 * `what`: the word for an example in messages.
 * @throws data/class-too-small when a class has one example.
 */
export function splitStratified<E extends Labelled>(
  examples: readonly E[],
  share: number,
  {
    seed,
    purpose,
    classes,
    what = "image",
  }: {
    readonly seed: number;
    readonly purpose: string;
    readonly classes: readonly string[];
    readonly what?: string;
  },
): { readonly kept: readonly E[]; readonly taken: readonly E[] } {
  const taken = new Set<E>();
  for (const [label, group] of byLabel(examples)) {
    if (group.length < 2) {
      throw new DiapasonError(
        "data/class-too-small",
        `The class "${classes[label]}" has one ${what} ("${group[0]!.id}"), so it cannot be split into training and ${purpose}.`,
        `Add ${what}s of "${classes[label]}", remove the class, or give the ${purpose} ${what}s apart from the others.`,
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
export function limitPerClass<E extends Labelled>(
  examples: readonly E[],
  limit: number,
  seed: number,
  classes: readonly string[],
): readonly E[] {
  const chosen = new Set<E>();
  for (const [label, group] of byLabel(examples)) {
    const order = random(seed, "limit", classes[label]!).permutation(group.length);
    for (const index of order.subarray(0, limit)) chosen.add(group[index]!);
  }
  return examples.filter((example) => chosen.has(example));
}
