import { randomBytes } from "node:crypto";
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { asWriteError, writeFileAtomic } from "../../base/atomic-file.node.ts";
import { isCommit } from "./repo-id.ts";
import type { RepoKind } from "./repo-kind.ts";

/**
 * A repository's folder in the Hub's cache, which Python's huggingface_hub shares: `blobs` has contents under the names that
 * the Hub gives them, `snapshots/COMMIT` links to them under the names of files, `refs` has the commits of branches.
 */
export interface RepoCache {
  readonly folder: string;
  snapshot(commit: string): string;
  blob(etag: string): string;
}

export function repoCache(cache: string, { type }: RepoKind, name: string): RepoCache {
  const folder = join(cache, `${type}s--${name.replace("/", "--")}`);
  return {
    folder,
    snapshot: (commit) => join(folder, "snapshots", commit),
    blob: (etag) => join(folder, "blobs", etag),
  };
}

/** The commit that a revision was when it was last asked for, or undefined where it never was. */
export async function cachedCommit({ folder }: RepoCache, revision: string): Promise<string | undefined> {
  if (isCommit(revision)) return revision;
  const text = await readFile(join(folder, "refs", revision), "utf8").catch(() => "");
  return isCommit(text.trim()) ? text.trim() : undefined;
}

/** Keeps the commit that a branch or tag is at. */
export async function keepCommit(cache: RepoCache, revision: string, commit: string): Promise<void> {
  if (revision === commit || (await cachedCommit(cache, revision)) === commit) return;
  await writeFileAtomic(join(cache.folder, "refs", revision), commit);
}

/** The files of a snapshot, relative to it. Links to contents that are gone do not count. */
export async function filesOf(snapshot: string): Promise<string[]> {
  const names = await readdir(snapshot, { recursive: true }).catch(() => []);
  const files: string[] = [];
  for (const name of names) if (await isFile(join(snapshot, name))) files.push(name.replaceAll("\\", "/"));
  return files;
}

/** Whether there is a file, or a link that leads to one. */
export const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (is) => is.isFile(),
    () => false,
  );

/**
 * Puts a file of a snapshot in place: a relative link to its contents, or a copy where links are not allowed (Windows).
 *
 * @throws base/not-writable, base/disk-full
 */
export async function linkFile(cache: RepoCache, commit: string, path: string, etag: string): Promise<void> {
  const target = join(cache.snapshot(commit), path);
  if (await isFile(target)) return;
  const draft = `${target}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    await mkdir(dirname(target), { recursive: true });
    const blob = cache.blob(etag);
    await symlink(relative(dirname(target), blob), draft).catch(() => copyFile(blob, draft));
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { force: true });
    throw asWriteError(error, target);
  }
}
