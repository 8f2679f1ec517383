import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DiapasonError, nearest } from "../../base/errors.ts";
import { type DownloadProgress, fetchModel } from "./fetch-model.node.ts";
import { type ModelId, parseModelId } from "./model-id.ts";
import { type HubSettings, hubSettings } from "./settings.node.ts";

/** Where a model that was asked for lies. */
export interface LocatedModel {
  /** A local file or folder. */
  readonly path: string;
  /** What it is called from now on: the path as given, or "org/name@commit", which names it for good. */
  readonly name: string;
  readonly notes: readonly string[];
}

export interface LocateOptions {
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Default: what the environment says. */
  readonly settings?: HubSettings;
}

/**
 * Finds a model by what a user wrote: a path, which goes first, or the id of a model on the Hub ("org/name",
 * "org/name@revision"), which is fetched into the Hub's cache as far as it is not there.
 *
 * @throws models/not-found naming what is near, and what fetchModel throws
 */
export async function locateModel(text: string, options: LocateOptions = {}): Promise<LocatedModel> {
  if (existsSync(text)) return { path: text, name: text, notes: [] };
  const id = parseModelId(text);
  if (!id) throw await noSuchPath(text);
  // A mistyped path must not become a question to the Hub; what names a revision is none.
  if (!text.includes("@") && (await nearestPath(text)) !== undefined) throw await noSuchPath(text);
  const { folder, commit, notes } = await fetchModel(id, {
    settings: options.settings ?? hubSettings(),
    onProgress: options.onProgress,
    signal: options.signal,
  });
  return { path: folder, name: nameAt(id, commit), notes };
}

const nameAt = ({ name }: ModelId, commit: string): string => `${name}@${commit}`;

/** What lies beside the path that was meant and has a similar name. */
async function nearestPath(text: string): Promise<string | undefined> {
  const folder = dirname(text);
  const names = await readdir(folder).catch(() => []);
  const near = nearest(basename(text), names);
  return near === undefined ? undefined : join(folder, near);
}

async function noSuchPath(text: string): Promise<DiapasonError> {
  const near = await nearestPath(text);
  return new DiapasonError(
    "models/not-found",
    `There is no file or folder "${text}"${parseModelId(text) ? "" : ", nor is that the id of a model on the Hub, which is org/name or org/name@revision"}.`,
    near === undefined
      ? "Give the path of an .onnx file or of a model's folder, or an id such as sentence-transformers/all-MiniLM-L6-v2."
      : `Did you mean "${near}"?`,
  );
}
