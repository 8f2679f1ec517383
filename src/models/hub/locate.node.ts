import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { DiapasonError } from "../../base/errors.ts";
import { shellWord } from "../../base/shell-word.ts";
import { isAdaptedFolder, writeAdaptedFolder } from "../adapters/adapted-folder.node.ts";
import { describePeft, isPeftFolder } from "../adapters/peft.node.ts";
import { fetchModel } from "./fetch-model.node.ts";
import type { DownloadProgress } from "./fetch-repo.node.ts";
import { pathOrRepo } from "./path-or-repo.node.ts";
import { repoKinds } from "./repo-kind.ts";
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
      `Set base_model_name_or_path in it, or merge it: diapason export BASE --adapter ${shellWord(text)} --to merged --out FOLDER.`,
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
      `Set base_model_name_or_path in its adapter_config.json to the folder of the base, or merge it: diapason export BASE --adapter ${shellWord(adapter)} --to merged --out FOLDER.`,
      cause,
    );
  }
}

async function locatePlain(text: string, options: LocateOptions): Promise<LocatedModel> {
  const { settings = hubSettings(), onProgress, signal } = options;
  const found = await pathOrRepo(repoKinds.model, text, (id) =>
    fetchModel(id, { settings, onProgress, signal }),
  );
  if (typeof found === "string") return { path: found, name: found, notes: [] };
  return { path: found.folder, name: found.name, notes: found.notes };
}
