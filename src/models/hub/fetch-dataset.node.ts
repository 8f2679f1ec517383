import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { writeFileAtomic } from "../../base/atomic-file.node.ts";
import { cachedCommit, filesOf, isFile, type RepoCache, repoCache } from "./cache.node.ts";
import {
  askRepo,
  type Fetched,
  type FetchOptions,
  keepRevision,
  notCached,
  type RemoteFile,
  type Repo,
  reachingOut,
} from "./fetch-repo.node.ts";
import type { RepoId } from "./repo-id.ts";
import { repoKinds } from "./repo-kind.ts";

const kind = repoKinds.dataset;
const card = "README.md";

/** What a repository of data says before any data are fetched. */
export interface DatasetListing {
  /** "org/name" */
  readonly name: string;
  readonly files: readonly Pick<RemoteFile, "path" | "sizeBytes">[];
  /** Its README.md, or "". */
  readonly card: string;
}

/**
 * Brings files of a data set into the Hub's cache: those that `choose` wants, which sees the names of all of them. What is
 * there already is not fetched again; where the Hub cannot be asked, the cache will do if it has all that is wanted.
 *
 * @throws what fetchModel throws, and `choose`
 */
export const fetchDataset = <C extends { readonly files: readonly string[] }>(
  id: RepoId,
  choose: (listing: DatasetListing) => C,
  options: FetchOptions,
): Promise<Fetched & { readonly choice: C }> => {
  const cache = repoCache(options.settings.cache, kind, id.name);
  const fetchFrom = async (repo: Repo) => {
    await repo.fetch([card]);
    const text = await readFile(join(repo.folder, card), "utf8").catch(() => "");
    const choice = choose({ name: id.name, files: repo.files, card: text });
    await repo.fetch(choice.files);
    return { folder: repo.folder, commit: repo.commit, choice };
  };
  return reachingOut(options, id, {
    async ask() {
      const repo = await askRepo(kind, id, options);
      await writeFileAtomic(listingOf(cache, repo.commit), JSON.stringify(repo.files));
      const found = await fetchFrom(repo);
      await keepRevision(kind, id, repo.commit, options.settings.cache);
      return found;
    },
    cached: async () => fetchFrom(await cachedRepo(id, cache)),
  });
};

/** Where it is kept which files a commit has: a snapshot has only those that were fetched. */
const listingOf = ({ folder }: RepoCache, commit: string): string =>
  join(dirname(dirname(folder)), "diapason", "listings", basename(folder), `${commit}.json`);

/** A repository as the cache has it. @throws models/hub-offline where there is none, or a file that is wanted is missing */
async function cachedRepo(id: RepoId, cache: RepoCache): Promise<Repo> {
  const commit = await cachedCommit(cache, id.revision);
  if (commit === undefined) throw notCached(kind, id, cache, false);
  const folder = cache.snapshot(commit);
  const files = (await keptListing(cache, commit)) ?? (await filesIn(folder));
  if (files.length === 0) throw notCached(kind, id, cache, false);
  const listed = new Set(files.map(({ path }) => path));
  return {
    commit,
    folder,
    files,
    async fetch(paths) {
      const wanted = paths.filter((path) => path !== card || listed.has(path));
      for (const path of [...wanted, ...wanted.flatMap(partsOf)])
        if (!(await isFile(join(folder, path)))) throw notCached(kind, id, cache, true);
    },
  };
}

async function keptListing(cache: RepoCache, commit: string): Promise<readonly RemoteFile[] | undefined> {
  const text = await readFile(listingOf(cache, commit), "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as readonly RemoteFile[]);
}

/** What another program fetched, of which there is no listing. */
async function filesIn(folder: string): Promise<readonly RemoteFile[]> {
  const paths = await filesOf(folder);
  return paths.map((path) => ({ path, sizeBytes: 0, etag: "" }));
}

/** The other parts of a file that says how many there are: "train-00000-of-00003.parquet". */
function partsOf(path: string): readonly string[] {
  const [whole, count] = /\d{5}-of-(\d{5})/.exec(path) ?? [];
  if (whole === undefined || count === undefined) return [];
  const numbers = Array.from({ length: Number(count) }, (_, i) => String(i).padStart(5, "0"));
  return numbers.map((number) => path.replace(whole, `${number}-of-${count}`));
}
