import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { locateData } from "../../src/app/opening/located-data.node.ts";
import { unreachable } from "../../src/models/hub/hub-fetch.node.ts";
import { locateModel } from "../../src/models/hub/locate.node.ts";
import { uploadFolder } from "../../src/models/hub/upload.node.ts";
import { newFolder } from "../new-folder.ts";
import { hub, mistakeOf, settingsFor } from "./workplace.ts";

const name = "some-org/tiny";
const config = JSON.stringify({ model_type: "bert", architectures: ["BertModel"] });
const whole = { "config.json": config, "model.safetensors": "weights", "tokenizer.json": "{}" };

test("a repository that was renamed is found under both names, its files too", async () => {
  const commit = hub.addRepo("some-org/new-name", whole);
  hub.renamed.set(name, "some-org/new-name");
  const { path } = await locateModel(name, { settings: settingsFor() });
  expect(path).toContain(commit);
  expect(readFileSync(join(path, "model.safetensors"), "utf8")).toBe("weights");
  hub.addRepo("datasets/some-org/rows-now", { "train.csv": "text,label\na,b\nc,d\n" });
  hub.renamed.set("datasets/some-org/rows", "datasets/some-org/rows-now");
  const data = await locateData("some-org/rows", { settings: settingsFor() });
  expect(readFileSync(join(data.path, "train.csv"), "utf8")).toContain("a,b");
});

describe("a server under a path", () => {
  let behind = "";
  const seen: string[] = [];
  const proxy = createServer(async (request, response) => {
    const { url = "", method = "GET", headers } = request;
    seen.push(url);
    if (!url.startsWith("/mirror/hf/")) return response.writeHead(404).end();
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const answer = await fetch(`${hub.url}${url.slice("/mirror/hf".length)}`, {
      method,
      redirect: "manual",
      headers: { ...(headers.authorization && { authorization: headers.authorization }) },
      ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
    });
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  beforeEach(async () => {
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    behind = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/mirror/hf`;
  });
  afterEach(() => {
    proxy.closeAllConnections();
    proxy.close();
  });

  test("is asked below it, with the token, for models, data and uploads", async () => {
    const settings = settingsFor({ endpoint: behind, token: hub.token });
    hub.addRepo(name, whole, { isPrivate: true });
    const { path } = await locateModel(`${name}@main`, { settings });
    expect(readFileSync(join(path, "model.safetensors"), "utf8")).toBe("weights");
    hub.addRepo("datasets/some-org/rows", { "train.csv": "text,label\na,b\n" });
    await locateData("some-org/rows", { settings });
    const { url } = await uploadFolder(folderOf(whole), "some-org/made", { ...upload, settings });
    expect(url).toBe(`${behind}/some-org/made`);
    expect(seen.every((one) => one.startsWith("/mirror/hf/"))).toBe(true);
  });
});

const upload = { revision: "main", message: "m", isPrivate: false } as const;
function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = join(newFolder(), "model");
  mkdirSync(folder);
  for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, file), content);
  return folder;
}

describe("a server that is asked too much", () => {
  test.each([
    ["seconds", { "Retry-After": "0.2" }, 200],
    ["the Hub's own words", { RateLimit: '"api";r=0;t=1' }, 1000],
  ])("is left alone for as long as it says: %s", async (_, headers, ms) => {
    hub.addRepo(name, whole);
    hub.statuses.set("config.json", [429]);
    Object.assign(hub.failing, { headers });
    const before = performance.now();
    await locateModel(name, { settings: settingsFor() });
    expect(performance.now() - before).toBeGreaterThan(ms - 5);
  });

  test("and goes on saying so, is told", async () => {
    hub.addRepo(name, whole);
    hub.statuses.set("config.json", [429, 429, 429, 429, 429]);
    expect(await mistakeOf(locateModel(name, { settings: settingsFor() }))).toMatchObject({
      code: "models/hub-answer",
      message: expect.stringMatching(/answers 429 about "some-org\/tiny"/),
      fix: "Wait a while and try again; with HF_TOKEN set the Hub allows more.",
    });
  });
});

test("a gated model with a token whose account has not accepted", async () => {
  hub.addRepo(name, whole, { isGated: true });
  expect(await mistakeOf(locateModel(name, { settings: settingsFor({ token: hub.token }) }))).toMatchObject({
    code: "models/hub-denied",
    fix: expect.stringMatching(/Accept them at .*some-org\/tiny with the account of your token/),
  });
});

describe("an upload that is refused on the way", () => {
  const settings = () => settingsFor({ token: hub.token });
  const push = () => uploadFolder(folderOf(whole), name, { ...upload, settings: settings() });
  const held = () => [
    ...(hub.repos.get(name)?.commits.get(hub.repos.get(name)!.refs.get("main")!)?.keys() ?? []),
  ];

  test("goes on where another attempt may help, and commits once", async () => {
    hub.statuses.set("upload", [500, 503]);
    hub.statuses.set("commit", [429]);
    Object.assign(hub.failing, { headers: { "Retry-After": "0.01" } });
    await push();
    expect(held().sort()).toEqual(Object.keys(whole).sort());
    expect(hub.repos.get(name)!.commits.size).toBe(2);
  });

  test.each([
    ["upload", [403], /answers 403|forbids to upload/],
    ["upload", [500, 500, 500, 500, 500], /answers 500/],
    ["commit", [500], /answers 500/],
    ["commit", [412], /answers 412/],
  ] as const)("%s answered %s leaves everything there as it was", async (where, statuses, message) => {
    hub.addRepo(name, { LICENSE: "keep" });
    hub.statuses.set(where, [...statuses]);
    const error = await mistakeOf(push());
    expect(error.message).toMatch(message);
    expect(held()).toEqual(["LICENSE"]);
    // and the same call does it later
    hub.statuses.clear();
    await push();
    expect(held()).toContain("model.safetensors");
  });
});

test("a proxy that Node goes past is said where nothing can be reached", () => {
  const { HTTPS_PROXY: before } = process.env;
  process.env["HTTPS_PROXY"] = "http://proxy:3128";
  try {
    expect(unreachable(settingsFor(), new Error("x")).fix).toMatch(
      /HTTPS_PROXY is set: Node 24 and later goes by it where NODE_USE_ENV_PROXY=1 is set too/,
    );
  } finally {
    if (before === undefined) delete process.env["HTTPS_PROXY"];
    else process.env["HTTPS_PROXY"] = before;
  }
});
