import { join } from "node:path";
import { DiapasonError } from "../base/errors.ts";
import { listNames } from "./code-points.ts";
import type { DataFinding, SplitName } from "./dataset.ts";
import { datasetInfo } from "./folder-classes.node.ts";
import { findMetadata, metadataNames, readMetadata } from "./folder-metadata.node.ts";
import { countExtensions, type FolderListing } from "./image-files.node.ts";
import { splitOf } from "./split-words.ts";

/** An image with the name of its class. `id`: path relative to the root. */
export interface Labelled {
  readonly id: string;
  readonly label: string;
}

/** What the layout of a folder says. A split without a folder of its own is absent. */
export interface FolderLabels {
  readonly parts: Partial<Record<SplitName, readonly Labelled[]>>;
  /** For the user: "class folders", "split folders", "metadata.csv (column "label")". */
  readonly layout: string;
  readonly findings: readonly DataFinding[];
}

/** Reads splits and labels off the names of folders, or from metadata files. */
export async function readLabels(
  root: string,
  listing: FolderListing,
  labelColumn?: string,
): Promise<FolderLabels> {
  const files = new Set(listing.others);
  const folders = findSplitFolders(root, listing);
  const findings: DataFinding[] = [];
  const used = new Set<string>();
  const metadata = findMetadata(root, "", files);
  let parts: Partial<Record<SplitName, readonly Labelled[]>>;
  let layout: string;
  if (metadata) {
    const { labelled, column } = await readFromMetadata(root, "", metadata, listing, labelColumn);
    parts = groupBySplit(labelled, folders);
    layout = `${metadata} (column "${column}")`;
  } else if (folders) {
    parts = {};
    for (const [split, folder] of folders) {
      const own = findMetadata(root, folder, files);
      parts[split] = own
        ? (await readFromMetadata(root, folder, own, listing, labelColumn)).labelled
        : readFromFolders(root, folder, listing);
    }
    layout = "split folders";
  } else {
    parts = { train: readFromFolders(root, "", listing) };
    layout = "class folders";
  }
  for (const part of Object.values(parts)) for (const { id } of part) used.add(id);
  const unused = listing.images.filter((id) => !used.has(id));
  if (unused.length > 0) {
    findings.push({
      kind: "unlabelled-images",
      message: `${unused.length} images have no label and are left out: ${listNames(unused)}.`,
    });
  }
  const odd = listing.others.filter(
    (path) =>
      path !== datasetInfo && !metadataNames.some((name) => path === name || path.endsWith(`/${name}`)),
  );
  if (odd.length > 0) {
    findings.push({
      kind: "skipped-files",
      message: `${odd.length} files are no readable images (${countExtensions(odd)}): ${listNames(odd)}.`,
    });
  }
  const empty = emptyClassFolders(listing, metadata ? undefined : folders ? [...folders.values()] : [""]);
  if (empty.length > 0) {
    findings.push({
      kind: "empty-folders",
      message: `${empty.length} class folders hold no image: ${listNames(empty)}.`,
    });
  }
  return { parts, layout, findings };
}

/** Split folders, if the root is divided that way: one for training is there, or every folder names a split. */
function findSplitFolders(root: string, { folders }: FolderListing): Map<SplitName, string> | undefined {
  const top = folders.filter((folder) => !folder.includes("/"));
  const found = new Map<SplitName, string>();
  for (const folder of top) {
    const split = splitOf(folder);
    if (split === undefined) continue;
    const other = found.get(split);
    if (other !== undefined) {
      throw new DiapasonError(
        "data/ambiguous-split",
        `"${root}" has the folders "${other}" and "${folder}", which both mean ${split}.`,
        "Merge them into one.",
      );
    }
    found.set(split, folder);
  }
  return found.has("train") || (found.size > 0 && found.size === top.length) ? found : undefined;
}

function groupBySplit(
  labelled: readonly Labelled[],
  folders: ReadonlyMap<SplitName, string> | undefined,
): Partial<Record<SplitName, readonly Labelled[]>> {
  const groups: Partial<Record<SplitName, Labelled[]>> = {};
  const splitOfFolder = new Map([...(folders ?? [])].map(([split, folder]) => [folder, split]));
  for (const row of labelled) {
    const split = splitOfFolder.get(row.id.split("/")[0]!) ?? "train";
    groups[split] ??= [];
    groups[split].push(row);
  }
  return groups;
}

async function readFromMetadata(
  root: string,
  folder: string,
  file: string,
  listing: FolderListing,
  labelColumn: string | undefined,
): Promise<{ labelled: readonly Labelled[]; column: string }> {
  const { rows, column } = await readMetadata(join(root, file), labelColumn);
  const images = new Set(listing.images);
  const labelled = rows.map(({ file, label, line }) => ({
    id: folder === "" ? file : `${folder}/${file}`,
    label,
    line,
  }));
  const missing = labelled.filter(({ id }) => !images.has(id));
  if (missing.length > 0) {
    const named = missing
      .slice(0, 5)
      .map(({ id, line }) => `"${id}" (line ${line})`)
      .join(", ");
    throw new DiapasonError(
      "data/missing-file",
      `"${file}" names ${missing.length === 1 ? "an image" : `${missing.length} images`} that ${missing.length === 1 ? "is" : "are"} not in "${root}": ${named}${missing.length > 5 ? ", …" : ""}.`,
      "Add the files, or remove the rows; paths are relative to the metadata file.",
    );
  }
  return { labelled, column };
}

function readFromFolders(root: string, folder: string, { images }: FolderListing): readonly Labelled[] {
  const prefix = folder === "" ? "" : `${folder}/`;
  const inside = images.filter((id) => id.startsWith(prefix));
  const labelled = inside.flatMap((id) => {
    const [label, ...rest] = id.slice(prefix.length).split("/");
    return rest.length > 0 ? [{ id, label: label! }] : [];
  });
  if (labelled.length === 0 && inside.length > 0) {
    throw new DiapasonError(
      "data/no-labels",
      `${inside.length} images lie directly in "${join(root, folder)}" (${listNames(inside, 3)}), and nothing says what they show.`,
      "Put the images of each class in a folder named after it, or add a metadata.csv with the columns file_name and label.",
    );
  }
  return labelled;
}

/** Class folders without an image; `parents` undefined where folders are no classes. */
function emptyClassFolders(
  { images, folders }: FolderListing,
  parents: readonly string[] | undefined,
): string[] {
  if (!parents) return [];
  const filled = new Set(
    images.flatMap((id) => id.split("/").map((_, i, names) => names.slice(0, i).join("/"))),
  );
  const depthOf = (path: string) => path.split("/").length;
  return folders.filter(
    (folder) =>
      !filled.has(folder) &&
      parents.some((parent) =>
        parent === "" ? depthOf(folder) === 1 : folder.startsWith(`${parent}/`) && depthOf(folder) === 2,
      ),
  );
}
