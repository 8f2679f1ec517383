import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { listFiles, modelInfo } from "@huggingface/hub";
import { DiapasonError } from "../../base/errors.ts";
import { readShardIndex } from "../../formats/shard-index.ts";
import { knownModelTypes } from "../architectures/table.ts";
import { isBuiltType, readConfig } from "../open-network.node.ts";
import {
  cachedCommit,
  filesOf,
  isFile,
  keepCommit,
  linkFile,
  type ModelCache,
  modelCache,
} from "./cache.node.ts";
import { downloadBlob } from "./download.node.ts";
import { hubFetch, unreachable } from "./hub-fetch.node.ts";
import { isCommit, type ModelId } from "./model-id.ts";
import { chooseWeights, isDescription, type WeightFiles, weightsAmong } from "./needed-files.ts";
import type { HubSettings } from "./settings.node.ts";

/** How far a file is that is being fetched. */
export interface DownloadProgress {
  /** "org/name" */
  readonly model: string;
  readonly file: string;
  /** Of the file, there so far; `total` when it is whole. */
  readonly bytes: number;
  readonly total: number;
}

/** A model of the Hub that lies in the cache. */
export interface FetchedModel {
  readonly folder: string;
  readonly commit: string;
  /** What the user should know, such as that the Hub could not be asked. */
  readonly notes: readonly string[];
}

export interface FetchOptions {
  readonly settings: HubSettings;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A file of a repository. `etag`: the hash of its contents, and their name in the cache. */
interface RemoteFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly etag: string;
}

/**
 * Brings what is needed of a model into the Hub's cache: its descriptions, and its weights in one format. What is there
 * already is not fetched again; where the Hub cannot be asked, a whole model in the cache will do.
 *
 * @throws models/hub-offline, models/hub-unreachable, models/hub-denied, models/hub-not-found, models/hub-no-revision,
 * models/hub-answer, models/hub-wrong-bytes, models/unknown-architecture, base/disk-full, base/not-writable
 */
export async function fetchModel(id: ModelId, options: FetchOptions): Promise<FetchedModel> {
  const cache = modelCache(options.settings.cache, id.name);
  if (options.settings.isOffline) return { ...(await fromCache(id, cache)), notes: [] };
  try {
    const commit = await commitOf(id, options);
    const files = await filesAt(id.name, commit, options);
    await fetchFiles(id, commit, files, cache, options);
    await keepCommit(cache, id.revision, commit);
    return { folder: cache.snapshot(commit), commit, notes: [] };
  } catch (error) {
    if (!(error instanceof DiapasonError) || error.code !== "models/hub-unreachable") throw error;
    const found = await fromCache(id, cache).catch(() => {
      throw error;
    });
    return { ...found, notes: [`${error.message} The copy of "${id.name}" in the cache is used.`] };
  }
}

/** @throws models/hub-offline unless the whole model is there. */
async function fromCache(id: ModelId, cache: ModelCache): Promise<Omit<FetchedModel, "notes">> {
  const commit = await cachedCommit(cache, id.revision);
  const folder = commit && cache.snapshot(commit);
  if (commit && folder && (await isWhole(folder))) return { folder, commit };
  throw new DiapasonError(
    "models/hub-offline",
    `"${id.name}" at "${id.revision}" is not ${commit ? "whole " : ""}in the cache, ${cache.folder}, and HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) forbids to ask the Hub.`,
    "Unset HF_HUB_OFFLINE once to download it, or name a model that is in the cache or in a folder.",
  );
}

/** Whether a snapshot has weights of some kind, all of their files. */
async function isWhole(folder: string): Promise<boolean> {
  const files = await filesOf(folder);
  const has = new Set(files);
  for (const weights of weightsAmong(files)) {
    const wanted = await shardsOf(folder, weights).catch(() => undefined);
    if (wanted?.every((file) => has.has(file))) return true;
  }
  return false;
}

/** The files of weights, those that an index names with it. */
async function shardsOf(folder: string, { files, index }: WeightFiles): Promise<readonly string[]> {
  if (index === undefined) return files;
  const path = join(folder, index);
  const { places } = readShardIndex(await readFile(path, "utf8"));
  return [index, ...new Set(places.values())];
}

async function commitOf(id: ModelId, { settings, signal }: FetchOptions): Promise<string> {
  if (isCommit(id.revision)) return id.revision;
  const info = await understood(id.name, settings, () =>
    modelInfo({
      name: id.name,
      revision: id.revision,
      additionalFields: ["sha"],
      hubUrl: settings.endpoint,
      fetch: hubFetch(settings, { ...id, purpose: "download" }, { signal }),
    }),
  );
  if (typeof info.sha === "string" && isCommit(info.sha)) return info.sha;
  throw strange(id.name, settings, `the commit ${JSON.stringify(info.sha)}`);
}

async function filesAt(
  name: string,
  commit: string,
  { settings, signal }: FetchOptions,
): Promise<RemoteFile[]> {
  return understood(name, settings, async () => {
    const files: RemoteFile[] = [];
    for await (const entry of listFiles({
      repo: name,
      revision: commit,
      recursive: true,
      hubUrl: settings.endpoint,
      fetch: hubFetch(settings, { name, revision: commit, purpose: "download" }, { signal }),
    }))
      if (entry.type === "file")
        files.push({
          path: entry.path,
          sizeBytes: entry.lfs?.size ?? entry.size,
          etag: entry.lfs?.oid ?? entry.oid ?? "",
        });
    return files;
  });
}

/** Fetches the descriptions, and then the weights that go with what they say. */
async function fetchFiles(
  id: ModelId,
  commit: string,
  files: readonly RemoteFile[],
  cache: ModelCache,
  options: FetchOptions,
): Promise<void> {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const folder = cache.snapshot(commit);
  const get = async (paths: readonly string[]) => {
    for (const path of paths) {
      const file = byPath.get(path);
      if (file) await fetchFile(id, commit, file, cache, options);
      // A shard that the index names and the repository lacks is told when the checkpoint is opened.
    }
  };
  const paths = [...byPath.keys()];
  await get(paths.filter(isDescription));
  const found = weightsAmong(paths);
  const config = await readConfig(folder);
  const weights = chooseWeights(found, isBuiltType(config));
  if (!weights) throw nothingToOpen(id, config["model_type"], found);
  if (weights.index !== undefined) await get([weights.index]);
  await get(await shardsOf(folder, weights));
}

async function fetchFile(
  id: ModelId,
  commit: string,
  { path, sizeBytes, etag }: RemoteFile,
  cache: ModelCache,
  { settings, signal, onProgress }: FetchOptions,
): Promise<void> {
  if (await isFile(join(cache.snapshot(commit), path))) return;
  if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag) || !Number.isSafeInteger(sizeBytes))
    throw strange(
      id.name,
      settings,
      `${path} with the hash ${JSON.stringify(etag)} and the size ${sizeBytes}`,
    );
  const place = path.split("/").map(encodeURIComponent).join("/");
  await downloadBlob(
    cache.blob(etag),
    {
      url: `${settings.endpoint}/${id.name}/resolve/${commit}/${place}`,
      label: `${id.name}, ${path}`,
      sizeBytes,
      etag,
    },
    {
      settings,
      signal,
      fetch: hubFetch(settings, { ...id, purpose: "download" }, { signal }),
      onProgress: (bytes) => onProgress?.({ model: id.name, file: path, bytes, total: sizeBytes }),
    },
  );
  await linkFile(cache, commit, path, etag);
}

/** An answer that is not what the Hub gives, as one clear error. */
async function understood<T>(name: string, settings: HubSettings, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    // A body that breaks off is a TypeError with a cause; a body of another form is one without.
    if (cause instanceof TypeError && cause.cause) throw unreachable(settings, cause);
    if (cause instanceof SyntaxError || cause instanceof TypeError)
      throw strange(name, settings, "what cannot be understood", cause);
    throw cause;
  }
}

const strange = (name: string, { endpoint }: HubSettings, what: string, cause?: unknown): DiapasonError =>
  new DiapasonError(
    "models/hub-answer",
    `${endpoint} answers about "${name}" in a way that the Hub does not: it gives ${what}.`,
    "Check HF_ENDPOINT, and that nothing between here and the Hub changes what it sends.",
    cause,
  );

function nothingToOpen({ name }: ModelId, type: unknown, found: readonly WeightFiles[]): DiapasonError {
  if (found.length === 0)
    return new DiapasonError(
      "models/not-found",
      `"${name}" holds no weights that can be read: neither safetensors, nor PyTorch's, nor onnx/model.onnx.`,
      "Name another model, or one of its kin that has model.safetensors.",
    );
  return new DiapasonError(
    "models/unknown-architecture",
    `"${name}" is a model of type ${JSON.stringify(type)} without an ONNX file; networks are built for ${knownModelTypes.join(", ")}.`,
    "Export the model to ONNX and give that file: any graph can be tuned.",
  );
}
