import type { SplitName } from "../dataset.ts";
import { splitOf } from "../split-words.ts";

/** The split that a word means in a repository, which knows two more than a folder. */
const meantBy = (word: string): SplitName | undefined =>
  /^eval(uation)?$/i.test(word) ? "test" : splitOf(word);

const splitNames: readonly SplitName[] = ["train", "validation", "test"];

/** The splits whose words stand in a name between dots, dashes, underscores, spaces and digits. */
export function splitsIn(name: string): ReadonlySet<SplitName> {
  const words = name.toLowerCase().split(/[-._ 0-9]+/);
  return new Set(words.flatMap((word) => meantBy(word) ?? []));
}

/** Which splits of a repository serve as ours, and what is to be said of it. */
export interface ServingSplits<T> {
  readonly parts: ReadonlyMap<SplitName, T>;
  readonly notes: readonly string[];
}

/**
 * The splits of a repository, in its order, as those for training, validation and testing: by their names, else the first
 * whose name has the word ("validation_matched", "train_sft"). A split that is alone is everything there is.
 */
export function servingSplits<T>(splits: ReadonlyMap<string, T>): ServingSplits<T> {
  const [first, ...others] = splits;
  if (first && others.length === 0) {
    const [name, part] = first;
    const isTrain = splitsIn(name).has("train");
    const note = `The data set has one split, "${name}", which is used as all there is.`;
    return { parts: new Map([["train", part]]), notes: isTrain ? [] : [note] };
  }
  const used = new Map<SplitName, string>();
  for (const name of splits.keys()) {
    const exact = meantBy(name);
    if (exact && !used.has(exact)) used.set(exact, name);
  }
  for (const name of splits.keys()) {
    const own = [...splitsIn(name)];
    if (own.length === 1 && !used.has(own[0]!)) used.set(own[0]!, name);
  }
  const serving = splitNames.flatMap((split) => {
    const name = used.get(split);
    return name === undefined ? [] : [[split, splits.get(name)!] as const];
  });
  const taken = new Set(used.values());
  const left = [...splits.keys()].filter((name) => !taken.has(name));
  const renamed = [...used].filter(([split, name]) => name !== split);
  return {
    parts: new Map(serving),
    notes: [
      ...renamed.map(([split, name]) => `The split "${name}" is used for ${uses[split]}.`),
      ...(left.length > 0
        ? [`Splits of the data set that are not used: ${left.map((name) => `"${name}"`).join(", ")}.`]
        : []),
    ],
  };
}

const uses: { readonly [S in SplitName]: string } = {
  train: "training",
  validation: "validation",
  test: "testing",
};
