import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DiapasonError, nearest } from "../../base/errors.ts";
import type { Fetched } from "./fetch-repo.node.ts";
import { parseRepoId, type RepoId, recordedName } from "./repo-id.ts";
import type { RepoKind } from "./repo-kind.ts";

/**
 * What a user's word stands for: a path, which goes first, or else the id of a repository, which `fetch` brings. A name that
 * is close to one that exists, or ends as files do, is a mistyped path, unless it has a revision, and no
 * question to the Hub.
 *
 * Gives the path as it was written, or what was fetched with "org/name@commit", which names it for good.
 * @throws the kind's `absent` naming what is near, and what `fetch` throws
 */
export async function pathOrRepo<F extends Fetched>(
  kind: RepoKind,
  text: string,
  fetch: (id: RepoId) => Promise<F>,
): Promise<string | (F & { readonly name: string })> {
  if (existsSync(text)) return text;
  const id = parseRepoId(text);
  const isMeantAsPath = async () => endsAsFile(text) || (await nearestPath(text)) !== undefined;
  if (!id || (!text.includes("@") && (await isMeantAsPath()))) throw await noSuchPath(kind, text);
  const found = await fetch(id).catch((cause: unknown) => {
    throw text.includes("/") || text.includes("@") ? cause : nowhere(kind, text, cause);
  });
  return { ...found, name: recordedName(id, found.commit) };
}

/** What the Hub is told not to have, or cannot be asked for. */
const unfound: ReadonlySet<string> = new Set([
  "models/hub-not-found",
  "models/hub-wrong-kind",
  "models/hub-offline",
  "models/hub-unreachable",
]);

/** The error about a word that may have been meant as a path or as a name at the Hub, and is found as neither. */
function nowhere({ noun, absent }: RepoKind, text: string, cause: unknown): unknown {
  if (!(cause instanceof DiapasonError) || !unfound.has(cause.code)) return cause;
  return new DiapasonError(
    absent,
    `There is no file or folder "${text}"; taken for a ${noun} on the Hub: ${cause.message}`,
    `If a file or folder was meant, give its path. If a ${noun} on the Hub: ${cause.fix}`,
    cause,
  );
}

/** Whether a word ends as files of models and data do, and no repository. */
const endsAsFile = (text: string): boolean =>
  /\.(onnx|safetensors|npz|npy|jsonl?|csv|tsv|parquet|zip)$/i.test(text);

/** What lies beside the path that was meant and has a similar name. */
async function nearestPath(text: string): Promise<string | undefined> {
  const folder = dirname(text);
  const names = await readdir(folder).catch(() => []);
  const near = nearest(basename(text), names);
  return near === undefined ? undefined : join(folder, near);
}

async function noSuchPath(
  { noun, absent, instead, example }: RepoKind,
  text: string,
): Promise<DiapasonError> {
  const near = await nearestPath(text);
  return new DiapasonError(
    absent,
    `There is no file or folder "${text}"${parseRepoId(text) ? "" : `, nor is that the id of a ${noun} on the Hub, which is org/name, or one word for the oldest, and may end in @revision`}.`,
    near === undefined ? `Give ${instead}, or an id such as ${example}.` : `Did you mean "${near}"?`,
  );
}
