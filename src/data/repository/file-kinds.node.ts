import { basename, extname } from "node:path";
import { archiveEnding } from "../archives.node.ts";
import { compressedEnding } from "../compressed-names.ts";
import { metadataNames } from "../folder-metadata.node.ts";
import { countExtensions, imageExtensions } from "../image-files.node.ts";
import { tableExtension } from "../text/table-files.node.ts";

const arrayExtensions: ReadonlySet<string> = new Set([".npz", ".npy", ".safetensors"]);

/** Files of a repository that are about its data. */
const isAbout = (path: string): boolean =>
  /^(readme|license|licence|citation|contributing|changelog|requirements)\b/i.test(basename(path)) ||
  /^(config|dataset_infos?|dataset_dict)\.json$|\.(md|py|pyc|ipynb|sh|toml|ya?ml|cff|bib|lock|gitignore)$/i.test(
    basename(path),
  );

/** Whether a file names pictures and says what they show. */
export const isMetadata = (path: string): boolean =>
  metadataNames.some((name) => path === name || path.endsWith(`/${name}`));

export const isImage = (path: string): boolean => imageExtensions.has(extname(path).toLowerCase());

/** A file's ending that says how it is read, with that of its compression; undefined where nothing reads it. */
export function readableEnding(path: string): string | undefined {
  if (isAbout(path)) return undefined;
  const table = tableExtension(path);
  if (table !== undefined) return `${table}${compressedEnding(path)}`;
  const archive = archiveEnding(path);
  if (archive !== undefined) return archive;
  const extension = extname(path).toLowerCase();
  return imageExtensions.has(extension) || arrayExtensions.has(extension) ? extension : undefined;
}

/** What sort of data files hold; Parquet may hold rows or pictures, and archives any of them. */
export type FileFamily = "parquet" | "image" | "rows" | "arrays" | "archives";

function familyOf(path: string): FileFamily | undefined {
  const ending = readableEnding(path);
  if (ending === undefined || isMetadata(path)) return undefined;
  if (ending === ".parquet") return "parquet";
  if (archiveEnding(path)) return "archives";
  return isImage(path) ? "image" : arrayExtensions.has(ending) ? "arrays" : "rows";
}

/** The family that files are read as: Parquet where there is any, else that of most, archives last; undefined where none is read. */
export function commonFamily(paths: readonly string[]): FileFamily | undefined {
  const families = paths.map(familyOf).filter((family) => family !== undefined);
  if (families.includes("parquet")) return "parquet";
  return commonest(families.filter((family) => family !== "archives")) ?? families[0];
}

/** The files of a family among some: pictures with what is said of them, or files of the commonest ending. */
export function filesOfFamily(paths: readonly string[], family: FileFamily | undefined): readonly string[] {
  if (family === "image") return paths.filter((path) => isImage(path) || isMetadata(path));
  if (family === "archives") return paths.filter((path) => archiveEnding(path) || isMetadata(path));
  const own = paths.filter((path) => familyOf(path) === family && family !== undefined);
  const ending = commonest(own.map(readableEnding));
  return own.filter((path) => readableEnding(path) === ending);
}

/** What there is most of, the first of several. */
function commonest<T>(items: readonly T[]): T | undefined {
  const counts = new Map<T, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  if (counts.size === 0) return undefined;
  const most = Math.max(...counts.values());
  return [...counts].find(([, count]) => count === most)?.[0];
}

/** "3 .zip, 1 .tar": what files there are beside those that are about the data. */
export const countKinds = (paths: readonly string[]): string =>
  countExtensions(paths.filter((path) => !isAbout(path) && !/(^|\/)\./.test(path)));
