import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type ClassNames, classNamesIn, featuresIn } from "./class-names.ts";

/** The file beside data in which Hugging Face's datasets describe their columns. */
export const datasetInfo = "dataset_info.json";

/** Names of classes that a folder's dataset_info.json says, by column; none where there is no such file. */
export async function readFolderClasses(folder: string): Promise<ClassNames> {
  const text = await readFile(join(folder, datasetInfo), "utf8").catch(() => "");
  return classNamesIn(featuresIn(text));
}
