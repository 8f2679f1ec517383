import { opendir, realpath, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { DiapasonError } from "../base/errors.ts";
import { compareCodePoints, listNames } from "./code-points.ts";

/** What sharp's prebuilt libraries decode. Of an animation the first frame counts. BMP, HEIC and SVG are not read. */
export const imageExtensions: ReadonlySet<string> = new Set(
  ".png .jpg .jpeg .jpe .jfif .webp .gif .tif .tiff .avif".split(" "),
);

/** Files below a folder, as paths relative to it with "/" between names, in code point order. */
export interface FolderListing {
  readonly images: readonly string[];
  /** Everything else that is no image by its extension, or that cannot be opened. */
  readonly others: readonly string[];
  /** All folders, also empty ones. */
  readonly folders: readonly string[];
}

/**
 * Lists what lies below a folder. Names that start with a dot are skipped; links are followed, loops are not.
 *
 * @throws data/not-found when there is no such folder, data/empty-file when an image has 0 bytes.
 */
export async function listFolder(root: string): Promise<FolderListing> {
  const info = await stat(root).catch(() => undefined);
  if (!info?.isDirectory()) {
    throw new DiapasonError(
      "data/not-found",
      info ? `"${root}" is a file, and no folder of images.` : `There is no folder "${root}".`,
      info
        ? "Give a folder that holds one folder of images for each class; for named arrays or texts give --task."
        : "Give the path of a folder that holds one folder of images for each class.",
    );
  }
  const found = { images: [] as string[], others: [] as string[], folders: [] as string[] };
  const empty: string[] = [];

  const visit = async (folder: string, above: ReadonlySet<string>): Promise<void> => {
    const here = await realpath(join(root, folder));
    if (above.has(here)) return; // A link to a folder that contains it.
    const inside = new Set(above).add(here);
    const folders: string[] = [];
    for await (const entry of await opendir(here)) {
      if (entry.name.startsWith(".")) continue;
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      const info = await stat(join(here, entry.name)).catch(() => undefined);
      if (info?.isDirectory()) folders.push(path);
      else if (!info?.isFile() || !imageExtensions.has(extname(entry.name).toLowerCase()))
        found.others.push(path);
      else if (info.size === 0) empty.push(path);
      else found.images.push(path);
    }
    found.folders.push(...folders);
    for (const path of folders) await visit(path, inside);
  };
  await visit("", new Set());

  if (empty.length > 0) {
    throw new DiapasonError(
      "data/empty-file",
      `${empty.length === 1 ? "An image has" : `${empty.length} images have`} 0 bytes in "${root}": ${listNames(empty.sort(compareCodePoints))}.`,
      "Copy the files again, or delete them.",
    );
  }
  for (const names of Object.values(found)) names.sort(compareCodePoints);
  return found;
}

/** "3 .bmp, 2 .txt": how many files there are of each extension, most frequent first. */
export function countExtensions(files: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const file of files) {
    const extension = extname(file).toLowerCase() || "without extension";
    counts.set(extension, (counts.get(extension) ?? 0) + 1);
  }
  return [...counts]
    .sort((a, b) => b[1] - a[1] || compareCodePoints(a[0], b[0]))
    .map(([extension, count]) => `${count} ${extension}`)
    .join(", ");
}
