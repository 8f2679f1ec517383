import { entryOf } from "../base/entry-of.ts";
import type { SplitName } from "./dataset.ts";

const words: Readonly<Record<string, SplitName>> = {
  train: "train",
  training: "train",
  validation: "validation",
  valid: "validation",
  val: "validation",
  dev: "validation",
  test: "test",
  testing: "test",
};

/** The split that the name of a file or a folder means, in any case. Names come from people: "constructor" means none. */
export function splitOf(name: string): SplitName | undefined {
  const word = name.toLowerCase();
  return entryOf(words, word);
}
