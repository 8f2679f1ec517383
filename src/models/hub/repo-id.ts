import { DiapasonError } from "../../base/errors.ts";

/** A repository of the Hub, at a branch, tag or commit. */
export interface RepoId {
  /** "org/name", or "name" alone, as the Hub's oldest models and data sets are called. */
  readonly name: string;
  readonly revision: string;
}

const part = "[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?";
/** What is no account at the Hub but a part of its addresses. */
const reserved = /^(models|datasets|spaces|buckets|kernels|api)\//;
/** The names without an owner have no dots, so that "model.onnx" is a file. */
const shape = new RegExp(`^(${part}/${part}|[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)(?:@([^@]+))?$`);

/** A full commit, as the Hub and git write it. */
export const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision);

/**
 * "org/name" or "name", also with "@revision", or undefined for what cannot be the id of a repository.
 *
 * @throws models/hub-bad-id for a revision that git does not allow.
 */
export function parseRepoId(text: string): RepoId | undefined {
  const [, name, revision = "main"] = shape.exec(text) ?? [];
  if (!name || name.length > 96 || reserved.test(name) || /--|\.\./.test(name) || name.endsWith(".git"))
    return undefined;
  if (!isRevision(revision))
    throw new DiapasonError(
      "models/hub-bad-id",
      `"${text}": ${JSON.stringify(revision)} is no name of a branch, a tag or a commit.`,
      "Write org/name@revision, such as org/name@main.",
    );
  return { name, revision };
}

/** What git allows in a name, as far as it matters in a path: nothing that leaves its folder. */
export const isRevision = (text: string): boolean =>
  /^[\w][\w.+-]*(\/[\w][\w.+-]*)*$/.test(text) && !/\.\.|\.lock(\/|$)/.test(text);

/** How a repository of the Hub is recorded: by the commit that its revision was. */
export const recordedName = ({ name }: RepoId, commit: string): string => `${name}@${commit}`;

/** The "org/name" or "name" in front of "@commit", as a repository of the Hub is recorded; undefined for a path. */
export function hubNameOf(source: string): string | undefined {
  const [name, commit, ...more] = source.split("@");
  return name !== undefined &&
    commit !== undefined &&
    more.length === 0 &&
    isCommit(commit) &&
    shape.test(name)
    ? name
    : undefined;
}
