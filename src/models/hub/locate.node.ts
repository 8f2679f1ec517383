import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { DiapasonError, nearest } from "../../base/errors.ts";
import { isAdaptedFolder, writeAdaptedFolder } from "../adapters/adapted-folder.node.ts";
import { describePeft, isPeftFolder } from "../adapters/peft.node.ts";
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
  /** Where the model is an adapter: its folder, and its base, which is named as models are. */
  readonly adapter?: LocatedAdapter;
}

export interface LocatedAdapter {
  readonly folder: string;
  readonly base: string;
}

export interface LocateOptions {
  /** Whether of an adapter the base is located alone, to put the adapter on it. Default: both in one. */
  readonly isApart?: boolean;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Default: what the environment says. */
  readonly settings?: HubSettings;
}

/**
 * Finds a model by what a user wrote: a path, which goes first, or the id of a model on the Hub ("org/name", "gpt2",
 * "org/name@revision"), which is fetched into the Hub's cache as far as it is not there. A folder or id that is an
 * adapter, as PEFT writes it, is located with its base.
 *
 * @throws models/not-found naming what is near, and what fetchModel, describePeft and writeAdaptedFolder throw
 */
export async function locateModel(text: string, options: LocateOptions = {}): Promise<LocatedModel> {
  const found = await locatePlain(text, options);
  if (!isPeftFolder(found.path) || (await isAdaptedFolder(found.path))) return found;
  const { base: named } = await describePeft(found.path);
  if (named === undefined)
    throw new DiapasonError(
      "models/bad-adapter-config",
      `"${text}" is an adapter, and its adapter_config.json does not say on which model.`,
      `Set base_model_name_or_path in it, or merge it: diapason export BASE --adapter ${text} --to merged --out FOLDER.`,
    );
  const base = await locateBase(named, found.path, options);
  const settings = options.settings ?? hubSettings();
  const within = join(dirname(settings.cache), "diapason", "adapters");
  const { isApart = false } = options;
  return {
    path: await writeAdaptedFolder({ adapter: found.path, base: base.path, within }, { isApart }),
    name: found.name,
    notes: [...found.notes, ...base.notes, `"${text}" is an adapter; its base is ${base.name}.`],
    adapter: { folder: found.path, base: base.name },
  };
}

/** The base that an adapter names: a path from here, or from the adapter's folder, or a name on the Hub. */
async function locateBase(named: string, adapter: string, options: LocateOptions): Promise<LocatedModel> {
  const beside = resolve(adapter, named);
  try {
    return await locatePlain(!existsSync(named) && existsSync(beside) ? beside : named, options);
  } catch (cause) {
    if (!(cause instanceof DiapasonError) || cause.code !== "models/not-found") throw cause;
    throw new DiapasonError(
      "models/not-found",
      `The adapter in ${adapter} is for the model "${named}", which is not found: ${cause.message}`,
      `Set base_model_name_or_path in its adapter_config.json to the folder of the base, or merge it: diapason export BASE --adapter ${adapter} --to merged --out FOLDER.`,
      cause,
    );
  }
}

async function locatePlain(text: string, options: LocateOptions): Promise<LocatedModel> {
  if (existsSync(text)) return { path: text, name: text, notes: [] };
  const id = parseModelId(text);
  if (!id) throw await noSuchPath(text);
  // A mistyped path must not become a question to the Hub; what names a revision is none.
  if (!text.includes("@") && (await nearestPath(text)) !== undefined) throw await noSuchPath(text);
  const { folder, commit, notes } = await fetchModel(id, {
    settings: options.settings ?? hubSettings(),
    onProgress: options.onProgress,
    signal: options.signal,
  }).catch((cause: unknown) => {
    throw text.includes("/") || text.includes("@") ? cause : nowhere(text, cause);
  });
  return { path: folder, name: nameAt(id, commit), notes };
}

/** What the Hub is told not to have, or cannot be asked for. */
const absent: ReadonlySet<string> = new Set([
  "models/hub-not-found",
  "models/hub-offline",
  "models/hub-unreachable",
]);

/** The error about a word that may have been meant as a folder or as a model of the Hub, and is found as neither. */
function nowhere(text: string, cause: unknown): unknown {
  if (!(cause instanceof DiapasonError) || !absent.has(cause.code)) return cause;
  return new DiapasonError(
    "models/not-found",
    `There is no file or folder "${text}"; taken for a model on the Hub: ${cause.message}`,
    `If a file or folder was meant, give its path. If a model on the Hub: ${cause.fix}`,
    cause,
  );
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
    `There is no file or folder "${text}"${parseModelId(text) ? "" : ", nor is that the id of a model on the Hub, which is org/name, or one word for the oldest, and may end in @revision"}.`,
    near === undefined
      ? "Give the path of an .onnx file or of a model's folder, or an id such as sentence-transformers/all-MiniLM-L6-v2."
      : `Did you mean "${near}"?`,
  );
}
