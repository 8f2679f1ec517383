import type { DownloadProgress } from "../../models/hub/fetch-repo.node.ts";
import { type LocatedModel, type LocateOptions, locateModel } from "../../models/hub/locate.node.ts";
import { emitting } from "../emit.ts";
import { type Note, noteOf } from "../progress.ts";
import type { VerbContext, VerbEvent } from "../verb.ts";

/** A file of a model or a data set that is being fetched from the Hub. */
export interface Download extends VerbEvent {
  readonly type: "download";
  /** "org/name", where it is a model. */
  readonly model?: string;
  /** "org/name", where it is a data set. */
  readonly data?: string;
  /** Its path; of many small files together, how many they are. */
  readonly file: string;
  /** Of the file, there so far; `total` when it is whole. */
  readonly bytes: number;
  readonly total: number;
}

/** Milliseconds between two events of a file, apart from its last one. */
const everyMs = 250;

/** A callback that tells of downloads, of each file not too often. */
export function tellingDownloads(emit: (event: Download) => void): (progress: DownloadProgress) => void {
  let last = "";
  let told = 0;
  return ({ kind, repo, file, bytes, total }) => {
    const now = performance.now();
    if (file !== last) told = now;
    last = file;
    if (bytes < total && now - told < everyMs) return;
    told = now;
    const of = { model: { model: repo }, dataset: { data: repo } }[kind];
    emit({ type: "download", ...of, file, bytes, total });
  };
}

/**
 * Finds the model that an option names: a path, or an id of the Hub, which is fetched; what is told meanwhile is yielded.
 *
 * `isApart`: of an adapter the base is located alone.
 * @throws what locateModel throws
 */
export async function* located(
  model: string,
  { signal }: VerbContext,
  { isApart = false }: Pick<LocateOptions, "isApart"> = {},
): AsyncGenerator<Download | Note, LocatedModel> {
  const found = yield* emitting<Download, LocatedModel>((emit) =>
    locateModel(model, { signal, isApart, onProgress: tellingDownloads(emit) }),
  );
  yield* found.notes.map(noteOf);
  return found;
}
