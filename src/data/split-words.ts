import type { SplitName } from "./dataset.ts";

/** Names of files and folders that mean a split, in lower case. */
export const splitOf: Readonly<Record<string, SplitName>> = {
  train: "train",
  training: "train",
  validation: "validation",
  valid: "validation",
  val: "validation",
  dev: "validation",
  test: "test",
  testing: "test",
};
