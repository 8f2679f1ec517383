import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { commitIter, createBranch, createRepo, HubApiError, modelInfo, whoAmI } from "@huggingface/hub";
import { DiapasonError } from "../../base/errors.ts";
import { hubFetch, unreachable } from "./hub-fetch.node.ts";
import { isRevision, parseRepoId } from "./repo-id.ts";
import { repoKinds } from "./repo-kind.ts";
import type { HubSettings } from "./settings.node.ts";

export interface UploadOptions {
  readonly settings: HubSettings;
  /** Branch to commit to; made from "main" where it does not exist. */
  readonly revision: string;
  readonly message: string;
  /** Only the owner may see a repository that is made. */
  readonly isPrivate: boolean;
  /** `share`: 0…1 of a file. */
  readonly onProgress?: ((file: string, share: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What has been uploaded. */
export interface Uploaded {
  /** "org/name" */
  readonly name: string;
  readonly url: string;
  readonly commit: string;
  readonly files: number;
  readonly bytes: number;
}

/**
 * Uploads a folder as one commit to a model on the Hub, which is made where it does not exist. Files whose names begin
 * with a dot stay here; files that only the Hub has stay there.
 *
 * `to`: "org/name", or "name" under the account of the token.
 * @throws models/hub-no-token, models/hub-bad-id, models/hub-is-public, models/hub-denied, models/hub-offline,
 * models/hub-unreachable, models/hub-answer, models/not-found for a folder without a model
 */
export async function uploadFolder(folder: string, to: string, options: UploadOptions): Promise<Uploaded> {
  const { settings, revision, message, onProgress, signal } = options;
  const files = await filesToUpload(folder);
  if (!isRevision(revision))
    throw badId(`${JSON.stringify(revision)} is no name of a branch`, "Name a branch, such as main.");
  const plain = parseRepoId(to.includes("/") ? to : `me/${to}`);
  if (!plain || to.includes("@"))
    throw badId(
      `${JSON.stringify(to)} is no name of a model`,
      "Write org/name, and a branch with --revision.",
    );
  if (!settings.token)
    throw new DiapasonError(
      "models/hub-no-token",
      `To upload to ${settings.endpoint} takes a token, and neither HF_TOKEN nor the Hub's token file has one.`,
      `Set HF_TOKEN to a token with the right to write, from ${settings.endpoint}/settings/tokens.`,
    );
  const account = await whoAmI(askerOf(to, options)());
  const name = to.includes("/") ? to : `${account.name}/${to}`;
  const ask = askerOf(name, options);
  await makeReady(name, options, ask);
  try {
    const commit = commitIter({
      ...ask(),
      repo: name,
      branch: revision,
      title: message,
      operations: files.map(({ path }) => ({
        operation: "addOrUpdate",
        path,
        content: pathToFileURL(resolve(folder, path)),
      })),
      // The store of large files by HTTP alone: without it the client needs a protocol of the Hub's own.
      useXet: false,
      ...(signal && { abortSignal: signal }),
    });
    for (;;) {
      const { done, value } = await commit.next();
      if (!done) {
        if (value.event === "fileProgress" && value.state === "uploading")
          onProgress?.(value.path, value.progress);
        continue;
      }
      return {
        name,
        url: `${settings.endpoint}/${name}${revision === "main" ? "" : `/tree/${revision}`}`,
        commit: value?.commit.oid ?? "",
        files: files.length,
        bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      };
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof DiapasonError) throw error;
    throw error instanceof HubApiError ? refused(name, settings, error) : unreachable(settings, error);
  }
}

/** What every request of the client is given. `accepted`: statuses that are no errors. */
type Ask = (accepted?: readonly number[]) => {
  readonly hubUrl: string;
  readonly accessToken: string;
  readonly fetch: typeof fetch;
};

const askerOf =
  (name: string, { settings, revision, signal }: UploadOptions): Ask =>
  (accepted = []) => ({
    hubUrl: settings.endpoint,
    // The token goes by hubFetch, so that one of a mirror may have any form.
    accessToken: "",
    fetch: hubFetch(
      settings,
      { kind: repoKinds.model, name, revision, purpose: "upload" },
      { signal, accepted },
    ),
  });

/** Makes the repository and the branch where they are not there. */
async function makeReady(
  repo: string,
  { settings, revision, isPrivate }: UploadOptions,
  ask: Ask,
): Promise<void> {
  const info = await unlessAbsent(() => modelInfo({ ...ask([401, 404]), name: repo, revision: "main" }));
  if (info && isPrivate && !info.private)
    throw new DiapasonError(
      "models/hub-is-public",
      `"${repo}" is there already and public, and --private is given.`,
      `Make it private at ${settings.endpoint}/${repo}/settings, or leave --private out.`,
    );
  if (!info) await createRepo({ ...ask(), repo, visibility: isPrivate ? "private" : "public" });
  if (revision === "main") return;
  const branch = await unlessAbsent(() => modelInfo({ ...ask([404]), name: repo, revision }));
  if (!branch) await createBranch({ ...ask(), repo: { type: "model", name: repo }, branch: revision });
}

async function unlessAbsent<T>(ask: () => Promise<T>): Promise<T | undefined> {
  return ask().catch((error: unknown) => {
    if (error instanceof HubApiError && (error.statusCode === 404 || error.statusCode === 401))
      return undefined;
    throw error;
  });
}

/** @throws models/not-found unless the folder is that of a model. */
async function filesToUpload(
  folder: string,
): Promise<readonly { readonly path: string; readonly bytes: number }[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const files: { path: string; bytes: number }[] = [];
  for (const name of names.map((one) => one.replaceAll("\\", "/")).sort()) {
    if (name.split("/").some((part) => part.startsWith("."))) continue;
    const is = await stat(join(folder, name));
    if (is.isFile()) files.push({ path: name, bytes: is.size });
  }
  if (files.some(({ path }) => /(^|\/)[\w-]*(model|adapter)[\w.-]*\.(safetensors|onnx|bin)$/.test(path)))
    return files;
  throw new DiapasonError(
    "models/not-found",
    `"${folder}" ${names.length === 0 ? "is not there, or empty" : "holds no model: neither *.safetensors nor onnx/*.onnx"}.`,
    'Name the folder that "diapason tune" wrote with --out.',
  );
}

const badId = (what: string, fix: string): DiapasonError =>
  new DiapasonError("models/hub-bad-id", `${what}.`, fix);

const refused = (name: string, { endpoint }: HubSettings, cause: HubApiError): DiapasonError =>
  new DiapasonError(
    "models/hub-answer",
    `${endpoint} refuses the upload to "${name}": ${cause.message}.`,
    "Try again later; nothing was changed there.",
    cause,
  );
