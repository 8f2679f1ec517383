import { basename, dirname, join } from "node:path";
import { DiapasonError } from "../../base/errors.ts";
import { chooseDataFiles, type DataFiles } from "../../data/repository/data-files.node.ts";
import { readCard } from "../../data/repository/dataset-card.ts";
import { type LayOutOptions, layOutRepository } from "../../data/repository/repository-folder.node.ts";
import { type UnpackOptions, unpackArchives } from "../../data/repository/unpacked-archives.node.ts";
import { type DatasetListing, fetchDataset } from "../../models/hub/fetch-dataset.node.ts";
import type { DownloadProgress } from "../../models/hub/fetch-repo.node.ts";
import { pathOrRepo } from "../../models/hub/path-or-repo.node.ts";
import { repoKinds } from "../../models/hub/repo-kind.ts";
import { type HubSettings, hubSettings } from "../../models/hub/settings.node.ts";
import { emitting } from "../emit.ts";
import { bytes, count } from "../numbers.ts";
import { type Note, noteOf, type Progress } from "../progress.ts";
import type { VerbContext } from "../verb.ts";
import { type Download, tellingDownloads } from "./located.node.ts";

/** Where data that were asked for lie. */
export interface LocatedData {
  /** A local file or folder. */
  readonly path: string;
  /** What they are called from now on: the path as given, or "org/name@commit", which names them for good. */
  readonly name: string;
}

export interface LocateDataOptions {
  /** Of a data set that has several: which. Default: the one that it calls its default. */
  readonly config?: string | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** What the user should know, such as which files are fetched, before they are. */
  readonly onNote?: ((message: string) => void) | undefined;
  /** Of how many of a split's Parquet files the pictures have been taken out. */
  readonly onPictures?: LayOutOptions["onPictures"];
  /** Of how many archives the files are out. */
  readonly onUnpacked?: UnpackOptions["onUnpacked"];
  readonly signal?: AbortSignal | undefined;
  /** Default: what the environment says. */
  readonly settings?: HubSettings;
}

/**
 * Finds data by what a user wrote: a path, which goes first, or the id of a data set on the Hub ("org/name",
 * "org/name@revision"), of which the files of one config are fetched and laid out as a folder of splits.
 *
 * @throws data/not-found, data/bad-card, data/unknown-config, data/no-data-files, app/bad-option for a config of a path, and
 * what fetchDataset and layOutRepository throw
 */
export async function locateData(data: string, options: LocateDataOptions = {}): Promise<LocatedData> {
  const { config, onProgress, onNote = () => undefined, onPictures, onUnpacked, signal } = options;
  const { settings = hubSettings() } = options;
  const found = await pathOrRepo(repoKinds.dataset, data, (id) =>
    fetchDataset(id, (listing) => chosen(listing, config, onNote), { settings, signal, onProgress }),
  );
  if (typeof found === "string") {
    if (config === undefined) return { path: data, name: data };
    throw new DiapasonError(
      "app/bad-option",
      `"dataConfig" is ${JSON.stringify(config)}, and "${data}" is a path; data sets of the Hub have configs.`,
      'Leave "dataConfig" out, or name the files of the config with "data".',
    );
  }
  for (const note of found.notes) onNote(note);
  const { folder, commit, choice, name } = found;
  const repository = basename(dirname(dirname(folder)));
  const within = join(dirname(settings.cache), "diapason", repository, commit);
  const unpacked = await unpackArchives(choice.read, { root: folder, within, signal, onUnpacked });
  for (const note of unpacked.files.notes.slice(choice.read.notes.length)) onNote(note);
  const { root, files } = unpacked;
  const laid = await layOutRepository(files, { root, within, signal, onPictures });
  for (const note of laid.notes) onNote(note);
  return { path: laid.path, name };
}

/** Finds the data that options name; what is told meanwhile is yielded. @throws what locateData throws */
export async function* locatedData(
  { data, dataConfig }: { readonly data: string; readonly dataConfig?: string | undefined },
  { signal }: VerbContext,
): AsyncGenerator<Download | Note | Progress, LocatedData> {
  return yield* emitting<Download | Note | Progress, LocatedData>((emit) =>
    locateData(data, {
      config: dataConfig,
      signal,
      onProgress: tellingDownloads(emit),
      onNote: (message) => emit(noteOf(message)),
      onPictures: (split, done, total) =>
        emit({ type: "progress", what: `taking out the ${split} pictures, file`, done, total }),
      onUnpacked: (done, total) => emit({ type: "progress", what: "unpacking archive", done, total }),
    }),
  );
}

/** What a verb says, with data of the Hub under their name rather than where they lie. */
export async function* namingData<E>(
  events: AsyncGenerator<E, void>,
  { path, name }: LocatedData,
): AsyncGenerator<E, void> {
  for await (const event of events) {
    const isOf = typeof event === "object" && event !== null && "data" in event && event.data === path;
    yield isOf ? { ...event, data: name } : event;
  }
}

interface Chosen {
  readonly files: readonly string[];
  readonly read: DataFiles;
}

/** Chooses what is read of a data set, and says what will be fetched. */
function chosen(
  { name, files, card }: DatasetListing,
  dataConfig: string | undefined,
  say: (message: string) => void,
): Chosen {
  const paths = files.map(({ path }) => path);
  const read = chooseDataFiles({ name, paths, card: readCard(card, name) }, dataConfig);
  const sizes = new Map(files.map(({ path, sizeBytes }) => [path, sizeBytes]));
  const wanted = [...read.parts.values()].flat();
  const size = wanted.reduce((sum, path) => sum + (sizes.get(path) ?? 0), 0);
  const parts = [...read.parts].map(
    ([split, own]) => `${split} ${own.length === 1 ? own[0] : `${count(own.length)} files`}`,
  );
  const config = read.config === "default" ? "" : `, config "${read.config}"`;
  say(`${name}${config}: ${parts.join(", ")}${size > 0 ? ` (${bytes(size)})` : ""}.`);
  for (const note of read.notes) say(note);
  return { files: wanted, read };
}
