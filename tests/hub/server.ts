import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A repository: the files of each commit, and the commits of its branches. */
export interface Repo {
  readonly commits: Map<string, Map<string, Buffer>>;
  readonly refs: Map<string, string>;
  isPrivate: boolean;
  isGated: boolean;
}

/** What a request was. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly host: "hub" | "store";
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** A server that speaks as much of the Hub's API as fetching and uploading models needs, on this machine. */
export interface HubServer {
  readonly url: string;
  /** Models by "org/name", data sets by "datasets/org/name". */
  readonly repos: Map<string, Repo>;
  readonly seen: Seen[];
  /** For a path, after how many bytes each of the next answers is cut. */
  readonly cuts: Map<string, number[]>;
  /** For a path, or for "upload" and "commit", statuses of the next answers instead of contents. */
  readonly statuses: Map<string, number[]>;
  /** Headers of those answers. */
  readonly failing: { headers: Readonly<Record<string, string>> };
  /** What repositories that were renamed are called now. */
  readonly renamed: Map<string, string>;
  /** For a path, what is sent instead of its contents. */
  readonly wrong: Map<string, Buffer>;
  /** Whether ranges are answered with the whole file. */
  ignoresRanges: boolean;
  /** The only token that is valid. */
  readonly token: string;
  readonly mayWrite: { value: boolean };
  addRepo(
    name: string,
    files: Readonly<Record<string, string | Uint8Array>>,
    options?: Partial<Repo>,
  ): string;
  close(): Promise<void>;
}

const sha = (kind: "sha1" | "sha256", ...parts: (string | Uint8Array)[]): string => {
  const hash = createHash(kind);
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};
const gitOid = (bytes: Uint8Array) => sha("sha1", `blob ${bytes.length}\0`, bytes);
const isLarge = (path: string) => /\.(safetensors|bin|onnx|onnx_data|pt|parquet)$/.test(path);
const oidOf = (path: string, bytes: Uint8Array) => (isLarge(path) ? sha("sha256", bytes) : gitOid(bytes));

const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

export async function startHub(): Promise<HubServer> {
  const repos = new Map<string, Repo>();
  const seen: Seen[] = [];
  const uploads = new Map<string, Buffer>();
  const cuts = new Map<string, number[]>();
  const statuses = new Map<string, number[]>();
  const wrong = new Map<string, Buffer>();
  const failing = { headers: {} };
  const renamed = new Map<string, string>();
  const mayWrite = { value: true };
  const token = "hf_valid";
  const hub = createServer((request, response) => void answer("hub", request, response));
  // Large files come from another origin, as they do from the Hub.
  const store = createServer((request, response) => void answer("store", request, response));
  const urlOf = async (server: Server) => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const url = await urlOf(hub);
  const storeUrl = await urlOf(store);
  const server: HubServer = {
    url,
    repos,
    seen,
    cuts,
    statuses,
    wrong,
    failing,
    renamed,
    ignoresRanges: false,
    token,
    mayWrite,
    addRepo(name, files, { isPrivate = false, isGated = false } = {}) {
      const contents = new Map(Object.entries(files).map(([path, content]) => [path, Buffer.from(content)]));
      const commit = commitOf(contents);
      const repo = repos.get(name) ?? { commits: new Map(), refs: new Map(), isPrivate, isGated };
      repo.commits.set(commit, contents);
      repo.refs.set("main", commit);
      repos.set(name, repo);
      return commit;
    },
    async close() {
      for (const each of [hub, store]) {
        each.closeAllConnections();
        await new Promise((resolve) => each.close(resolve));
      }
    },
  };
  return server;

  function commitOf(files: ReadonlyMap<string, Buffer>): string {
    return sha("sha1", JSON.stringify([...files].map(([path, bytes]) => [path, oidOf(path, bytes)])));
  }

  async function answer(host: "hub" | "store", request: IncomingMessage, response: ServerResponse) {
    const { method = "GET", headers } = request;
    const path = decodeURIComponent(new URL(request.url!, url).pathname);
    const { authorization, range } = headers;
    seen.push({ method, url: path, host, range, authorization });
    const fail = (status: number, code: string, message: string) => {
      response.writeHead(status, {
        "Content-Type": "application/json",
        "X-Error-Code": code,
        "X-Error-Message": message,
        ...failing.headers,
      });
      response.end(JSON.stringify({ error: message }));
    };
    const json = (value: unknown, status = 200) => {
      response.writeHead(status, { "Content-Type": "application/json" });
      response.end(JSON.stringify(value));
    };
    if (host === "store") {
      const [, kind, oid, commit = "", repoName = "", ...rest] = path.split("/");
      if (kind === "upload") {
        const bytes = await bodyOf(request);
        const status = statuses.get("upload")?.shift();
        if (status !== undefined) return fail(status, "", "busy");
        if (sha("sha256", bytes) !== oid) return fail(400, "", "wrong hash");
        uploads.set(oid!, bytes);
        return json({});
      }
      const file = rest.join("/");
      const bytes = repos.get(repoName.replaceAll("--", "/"))?.commits.get(commit)?.get(file);
      return bytes ? send(file, bytes) : fail(404, "EntryNotFound", "gone");
    }
    const hasToken = authorization === `Bearer ${token}`;
    if (authorization !== undefined && !hasToken)
      return fail(401, "", "Invalid credentials in Authorization header");
    if (path === "/api/whoami-v2")
      return hasToken
        ? json({ type: "user", name: "somebody", id: "1", auth: { type: "access_token" }, orgs: [] })
        : fail(401, "", "Invalid username or password.");
    if (path === "/api/repos/create") {
      const { name, organization, visibility } = JSON.parse(String(await bodyOf(request)));
      if (!mayWrite.value)
        return fail(403, "", "You don't have the rights to create a model under the namespace");
      const id = `${organization}/${name}`;
      repos.set(id, {
        commits: new Map([["0".repeat(40), new Map()]]),
        refs: new Map([["main", "0".repeat(40)]]),
        isPrivate: visibility === "private",
        isGated: false,
      });
      return json({ url: `${url}/${id}`, id });
    }
    const isData = /^(\/api)?\/datasets\//.test(path);
    const parts = path
      .replace(/^(\/api\/models|\/api\/datasets|\/datasets)/, "")
      .replace(".git/", "/git/")
      .split("/")
      .filter(Boolean);
    // the oldest models have no owner
    const words = parts[1] === undefined || ["revision", "tree", "resolve"].includes(parts[1]) ? 1 : 2;
    const name = `${isData ? "datasets/" : ""}${parts.slice(0, words).join("/")}`;
    const [verb, ...rest] = parts.slice(words);
    const now = renamed.get(name);
    if (now !== undefined) {
      response.writeHead(307, { Location: `${url}${request.url!.replace(name, now)}` });
      return response.end();
    }
    const repo = repos.get(name);
    // What may not be seen is told like what is not there, as the Hub does.
    if (!repo || (repo.isPrivate && !hasToken))
      return hasToken
        ? fail(404, "RepoNotFound", "Repository not found")
        : fail(401, "RepoNotFound", "Invalid username or password.");
    if (verb === undefined) return json({ id: name });
    const about = (commit: string) => ({
      _id: "1",
      id: name,
      sha: commit,
      private: repo.isPrivate,
      gated: repo.isGated ? "manual" : false,
      likes: 0,
      downloads: 0,
      lastModified: "2026-01-01T00:00:00.000Z",
    });
    const revision = verb === "resolve" || verb === "tree" ? rest[0]! : rest.join("/");
    const commit = repo.refs.get(revision) ?? (repo.commits.has(revision) ? revision : undefined);
    if (verb === "branch") {
      repo.refs.set(revision, repo.refs.get("main")!);
      return json({});
    }
    if (["revision", "tree", "resolve"].includes(verb)) {
      if (!commit) return fail(404, "RevisionNotFound", `Invalid rev id: ${revision}`);
      const files = repo.commits.get(commit)!;
      if (verb === "revision") return json(about(commit));
      if (verb === "tree")
        return json(
          [...files].map(([file, bytes]) => ({
            type: "file",
            path: file,
            size: bytes.length,
            oid: isLarge(file) ? gitOid(Buffer.from(oidOf(file, bytes))) : oidOf(file, bytes),
            ...(isLarge(file) && { lfs: { oid: oidOf(file, bytes), size: bytes.length, pointerSize: 130 } }),
          })),
        );
      if (repo.isGated)
        return fail(
          hasToken ? 403 : 401,
          "GatedRepo",
          `Access to model ${name} is restricted. You must have access to it and be authenticated.`,
        );
      const file = rest.slice(1).join("/");
      const bytes = files.get(file);
      response.setHeader("X-Repo-Commit", commit);
      if (!bytes) return fail(404, "EntryNotFound", "Entry not found");
      if (!isLarge(file)) return send(file, bytes);
      response.writeHead(302, {
        Location: `${storeUrl}/get/${oidOf(file, bytes)}/${commit}/${name.replaceAll("/", "--")}/${file}`,
        "X-Linked-Size": bytes.length,
        "X-Linked-ETag": `"${oidOf(file, bytes)}"`,
      });
      return response.end();
    }
    if (!hasToken) return fail(401, "", "Invalid username or password.");
    if (!mayWrite.value) return fail(403, "", "You don't have write access to this repo");
    const body = String(await bodyOf(request));
    if (verb === "preupload") {
      const { files } = JSON.parse(body) as { files: { path: string }[] };
      return json({
        files: files.map((file) => ({
          path: file.path,
          uploadMode: isLarge(file.path) ? "lfs" : "regular",
          shouldIgnore: false,
        })),
      });
    }
    if (verb === "git") {
      const { objects } = JSON.parse(body) as { objects: { oid: string; size: number }[] };
      return json({
        transfer: "basic",
        objects: objects.map(({ oid, size }) => ({
          oid,
          size,
          ...(!uploads.has(oid) && { actions: { upload: { href: `${storeUrl}/upload/${oid}` } } }),
        })),
      });
    }
    if (verb === "commit") {
      const status = statuses.get("commit")?.shift();
      if (status !== undefined) return fail(status, "", "busy");
      const parent = repo.commits.get(repo.refs.get(revision)!);
      const files = new Map(parent);
      for (const line of body.split("\n")) {
        const { key, value } = JSON.parse(line);
        if (key === "file") files.set(value.path, Buffer.from(value.content, value.encoding));
        if (key === "lfsFile") files.set(value.path, uploads.get(value.oid)!);
      }
      const next = commitOf(files);
      repo.commits.set(next, files);
      repo.refs.set(revision, next);
      return json({ commitOid: next, commitUrl: `${url}/${name}/commit/${next}`, hookOutput: "" });
    }
    return fail(404, "", `no such thing: ${path}`);

    /** Contents, or a part of them, as far as they are not to be cut. */
    function send(file: string, whole: Buffer) {
      const status = statuses.get(file)?.shift();
      if (status !== undefined) return fail(status, "", "busy");
      const bytes = wrong.get(file) ?? whole;
      const start = range && !server.ignoresRanges ? Number(/bytes=(\d+)-/.exec(range)![1]) : 0;
      const part = bytes.subarray(start);
      response.writeHead(start > 0 ? 206 : 200, {
        ETag: `"${oidOf(file, whole)}"`,
        "Content-Length": part.length,
        ...(start > 0 && { "Content-Range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
      });
      if (method === "HEAD") return response.end();
      const cut = cuts.get(file)?.shift();
      if (cut === undefined) return response.end(part);
      response.write(part.subarray(0, cut), () => setTimeout(() => response.destroy(), 20));
    }
  }
}
