import { join } from "node:path";
import { datasetInfo, listFiles, modelInfo } from "@huggingface/hub";
import { DiapasonError } from "../../base/errors.ts";
import { staysInside } from "../../base/stays-inside.ts";
import { isFile, keepCommit, linkFile, type RepoCache, repoCache } from "./cache.node.ts";
import { downloadBlob } from "./download.node.ts";
import { type About, hubFetch, unreachable } from "./hub-fetch.node.ts";
import { isCommit, type RepoId } from "./repo-id.ts";
import { type RepoKind, type RepoType, repoKinds } from "./repo-kind.ts";
import type { HubSettings } from "./settings.node.ts";

/** How far a file is that is being fetched. */
export interface DownloadProgress {
  readonly kind: RepoType;
  /** "org/name" */
  readonly repo: string;
  /** Its path; of many small files together, how many they are. */
  readonly file: string;
  /** Of the file, there so far; `total` when it is whole. */
  readonly bytes: number;
  readonly total: number;
}

/** A repository of the Hub that lies in the cache, as far as it was asked for. */
export interface Fetched {
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
export interface RemoteFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly etag: string;
}

/** A repository at one commit: what it holds, and how it comes into the cache. */
export interface Repo {
  readonly commit: string;
  /** Its snapshot in the cache, which has what was fetched. */
  readonly folder: string;
  readonly files: readonly RemoteFile[];
  /** Brings files into the snapshot, as far as they are not there. Paths that the repository lacks are left out. */
  fetch(paths: readonly string[]): Promise<void>;
}

/** Files of fewer bytes are fetched several at once: what they take is the way there and back. */
const smallBytes = 2 ** 21;
const smallAtOnce = 8;

/**
 * Asks the Hub for a repository: the commit that its revision is, and its files.
 *
 * @throws models/hub-unreachable, models/hub-denied, models/hub-not-found, models/hub-wrong-kind, models/hub-no-revision,
 * models/hub-answer; `fetch` throws also models/hub-wrong-bytes, base/disk-full, base/not-writable
 */
export async function askRepo(kind: RepoKind, id: RepoId, options: FetchOptions): Promise<Repo> {
  const { settings } = options;
  const about: About = { ...id, kind, purpose: "download" };
  const ask = async () => {
    const commit = await commitOf(about, options);
    return { commit, files: await filesAt(about, commit, options) };
  };
  const { commit, files } = await ask().catch(async (error: unknown) => {
    throw (await ofOtherKind(error, about, options)) ?? error;
  });
  const byPath = new Map(files.map((file) => [file.path, file]));
  const cache = repoCache(settings.cache, kind, id.name);
  return {
    commit,
    folder: cache.snapshot(commit),
    files,
    async fetch(paths) {
      const wanted = paths.flatMap((path) => byPath.get(path) ?? []);
      const source: Source = { about, commit, cache, options };
      const small = wanted.filter(({ sizeBytes }) => sizeBytes < smallBytes);
      const together = new Set(small.length > 2 * smallAtOnce ? small : []);
      for (const file of wanted)
        if (!together.has(file)) await fetchFile(source, file, progressOf(source, file));
      await fetchTogether(source, [...together]);
    },
  };
}

/** Records that what was fetched is what a revision is now. */
export const keepRevision = (kind: RepoKind, { name, revision }: RepoId, commit: string, cache: string) =>
  keepCommit(repoCache(cache, kind, name), revision, commit);

interface Source {
  readonly about: About;
  readonly commit: string;
  readonly cache: RepoCache;
  readonly options: FetchOptions;
}

const progressOf =
  ({ about, options: { onProgress } }: Source, { path, sizeBytes }: RemoteFile) =>
  (bytes: number): void =>
    onProgress?.({ kind: about.kind.type, repo: about.name, file: path, bytes, total: sizeBytes });

/** Fetches many small files, several at once, told as one. The first failure ends them all. */
async function fetchTogether(source: Source, files: readonly RemoteFile[]): Promise<void> {
  const { about, options } = source;
  const total = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const file = `${files.length} small files`;
  const of = { kind: about.kind.type, repo: about.name, file, total };
  let done = 0;
  let next = 0;
  const work = async () => {
    for (; next < files.length; ) {
      const one = files[next++]!;
      try {
        await fetchFile(source, one);
      } catch (error) {
        next = files.length;
        throw error;
      }
      done += one.sizeBytes;
      options.onProgress?.({ ...of, bytes: done });
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: smallAtOnce }, work));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}

async function fetchFile(
  { about, commit, cache, options }: Source,
  { path, sizeBytes, etag }: RemoteFile,
  onProgress: (bytes: number) => void = () => undefined,
): Promise<void> {
  const { settings, signal } = options;
  if (await isFile(join(cache.snapshot(commit), path))) return;
  if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag) || !Number.isSafeInteger(sizeBytes))
    throw strange(about, settings, `${path} with the hash ${JSON.stringify(etag)} and the size ${sizeBytes}`);
  const place = path.split("/").map(encodeURIComponent).join("/");
  await downloadBlob(
    cache.blob(etag),
    {
      url: `${settings.endpoint}/${about.kind.pages}${about.name}/resolve/${commit}/${place}`,
      label: `${about.name}, ${path}`,
      sizeBytes,
      etag,
    },
    { settings, signal, fetch: hubFetch(settings, about, { signal }), onProgress },
  );
  await linkFile(cache, commit, path, etag);
}

/** How the Hub is asked about a repository of each kind. */
const infos: { readonly [T in RepoType]: (params: InfoParams) => Promise<{ readonly sha?: string }> } = {
  model: (params) => modelInfo({ ...params, additionalFields: ["sha"] }),
  dataset: (params) => datasetInfo({ ...params, additionalFields: ["sha"] }),
};

interface InfoParams {
  readonly name: string;
  readonly revision: string;
  readonly hubUrl: string;
  readonly fetch: typeof fetch;
}

async function commitOf(about: About, { settings, signal }: FetchOptions): Promise<string> {
  const { kind, name, revision } = about;
  if (isCommit(revision)) return revision;
  const info = await understood(about, settings, () =>
    infos[kind.type]({
      name,
      revision,
      hubUrl: settings.endpoint,
      fetch: hubFetch(settings, about, { signal }),
    }),
  );
  if (typeof info.sha === "string" && isCommit(info.sha)) return info.sha;
  throw strange(about, settings, `the commit ${JSON.stringify(info.sha)}`);
}

/** The error about a name that is not there but is one of the other kind, or undefined. */
async function ofOtherKind(
  error: unknown,
  { kind, name }: About,
  { settings, signal }: FetchOptions,
): Promise<DiapasonError | undefined> {
  if (!(error instanceof DiapasonError) || error.code !== "models/hub-not-found") return undefined;
  const other = Object.values(repoKinds).find((one) => one !== kind)!;
  const about: About = { kind: other, name, revision: "main", purpose: "download" };
  const isThere = await commitOf(about, { settings, signal }).then(
    () => true,
    () => false,
  );
  if (!isThere) return undefined;
  return new DiapasonError(
    "models/hub-wrong-kind",
    `"${name}" is a ${other.noun} at ${settings.endpoint}, and no ${kind.noun} of this name is there.`,
    `Give the id of a ${kind.noun}, such as ${kind.example}; a ${other.noun} is given with --${other.option}.`,
    error,
  );
}

async function filesAt(
  about: About,
  commit: string,
  { settings, signal }: FetchOptions,
): Promise<readonly RemoteFile[]> {
  const { kind, name } = about;
  return understood(about, settings, async () => {
    const files: RemoteFile[] = [];
    for await (const { type, path, size, oid, lfs } of listFiles({
      repo: { type: kind.type, name },
      revision: commit,
      recursive: true,
      hubUrl: settings.endpoint,
      fetch: hubFetch(settings, { ...about, revision: commit }, { signal }),
    }))
      if (type === "file" && isBelow(path))
        files.push({ path, sizeBytes: lfs?.size ?? size, etag: lfs?.oid ?? oid ?? "" });
    return files;
  });
}

/** Whether a path of a repository is one below its folder. */
const isBelow = (path: string): boolean =>
  staysInside(path) && path.split(/[\\/]/).every((part) => part !== "" && part !== ".");

/** An answer that is not what the Hub gives, as one clear error. */
async function understood<T>(about: About, settings: HubSettings, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    // A body that breaks off is a TypeError with a cause; a body of another form is one without.
    if (cause instanceof TypeError && cause.cause) throw unreachable(settings, cause);
    if (cause instanceof SyntaxError || cause instanceof TypeError)
      throw strange(about, settings, "what cannot be understood", cause);
    throw cause;
  }
}

const strange = ({ name }: About, { endpoint }: HubSettings, what: string, cause?: unknown): DiapasonError =>
  new DiapasonError(
    "models/hub-answer",
    `${endpoint} answers about "${name}" in a way that the Hub does not: it gives ${what}.`,
    "Check HF_ENDPOINT, and that nothing between here and the Hub changes what it sends.",
    cause,
  );

/** Does something with a repository of the Hub, or where the Hub cannot be reached, what the cache allows instead. */
export async function reachingOut<T extends object>(
  { settings }: FetchOptions,
  id: RepoId,
  { ask, cached }: { readonly ask: () => Promise<T>; readonly cached: () => Promise<T> },
): Promise<T & { readonly notes: readonly string[] }> {
  if (settings.isOffline) return { ...(await cached()), notes: [] };
  try {
    return { ...(await ask()), notes: [] };
  } catch (error) {
    if (!(error instanceof DiapasonError) || error.code !== "models/hub-unreachable") throw error;
    const found = await cached().catch(() => {
      throw error;
    });
    return { ...found, notes: [`${error.message} The copy of "${id.name}" in the cache is used.`] };
  }
}

/** The error about what is not in the cache while nothing may be asked. */
export const notCached = (
  kind: RepoKind,
  { name, revision }: RepoId,
  cache: RepoCache,
  isPartly: boolean,
): DiapasonError =>
  new DiapasonError(
    "models/hub-offline",
    `"${name}" at "${revision}" is not ${isPartly ? "whole " : ""}in the cache, ${cache.folder}, and HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) forbids to ask the Hub.`,
    `Unset HF_HUB_OFFLINE once to download it, or name a ${kind.noun} that is in the cache or in a folder.`,
  );
