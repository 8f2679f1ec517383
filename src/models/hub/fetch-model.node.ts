import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DiapasonError } from "../../base/errors.ts";
import { readShardIndex } from "../../formats/shard-index.ts";
import { knownModelTypes } from "../architectures/table.ts";
import { isBuiltType, readConfig } from "../open-network.node.ts";
import { cachedCommit, filesOf, repoCache } from "./cache.node.ts";
import {
  askRepo,
  type Fetched,
  type FetchOptions,
  keepRevision,
  notCached,
  type Repo,
  reachingOut,
} from "./fetch-repo.node.ts";
import { chooseWeights, isDescription, type WeightFiles, weightsAmong } from "./needed-files.ts";
import type { RepoId } from "./repo-id.ts";
import { repoKinds } from "./repo-kind.ts";

const kind = repoKinds.model;

/**
 * Brings what is needed of a model into the Hub's cache: its descriptions, and its weights in one format. What is there
 * already is not fetched again; where the Hub cannot be asked, a whole model in the cache will do.
 *
 * @throws models/hub-offline, models/hub-unreachable, models/hub-denied, models/hub-not-found, models/hub-wrong-kind,
 * models/hub-no-revision, models/hub-answer, models/hub-wrong-bytes, models/unknown-architecture, base/disk-full,
 * base/not-writable
 */
export const fetchModel = (id: RepoId, options: FetchOptions): Promise<Fetched> =>
  reachingOut(options, id, {
    async ask() {
      const repo = await askRepo(kind, id, options);
      await fetchFiles(id, repo);
      const { folder, commit } = repo;
      await keepRevision(kind, id, commit, options.settings.cache);
      return { folder, commit };
    },
    cached: () => fromCache(id, options),
  });

/** @throws models/hub-offline unless the whole model is there. */
async function fromCache(id: RepoId, { settings }: FetchOptions): Promise<Omit<Fetched, "notes">> {
  const cache = repoCache(settings.cache, kind, id.name);
  const commit = await cachedCommit(cache, id.revision);
  const folder = commit && cache.snapshot(commit);
  if (commit && folder && (await isWhole(folder))) return { folder, commit };
  throw notCached(kind, id, cache, commit !== undefined);
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

/** Fetches the descriptions, and then the weights that go with what they say. */
async function fetchFiles(id: RepoId, repo: Repo): Promise<void> {
  const paths = repo.files.map(({ path }) => path);
  await repo.fetch(paths.filter(isDescription));
  const found = weightsAmong(paths);
  const config = await readConfig(repo.folder);
  const weights = chooseWeights(found, isBuiltType(config));
  if (!weights) throw nothingToOpen(id, config["model_type"], found);
  if (weights.index !== undefined) await repo.fetch([weights.index]);
  // A shard that the index names and the repository lacks is told when the checkpoint is opened.
  await repo.fetch(await shardsOf(repo.folder, weights));
}

function nothingToOpen({ name }: RepoId, type: unknown, found: readonly WeightFiles[]): DiapasonError {
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
