import { createHash } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openCheckpoint, saveCheckpoint } from "../../src/formats/checkpoint.node.ts";
import { float32 } from "../../src/graph/tensor.ts";
import { fetchModel } from "../../src/models/hub/fetch-model.node.ts";
import type { DownloadProgress } from "../../src/models/hub/fetch-repo.node.ts";
import { locateModel } from "../../src/models/hub/locate.node.ts";
import { hubNameOf, parseRepoId } from "../../src/models/hub/repo-id.ts";
import { type HubSettings, hubSettings } from "../../src/models/hub/settings.node.ts";
import { newFolder } from "../new-folder.ts";
import { hub, mistakeOf, settingsFor } from "./workplace.ts";

const name = "some-org/tiny";
/** A checkpoint of 300,000 bytes, as one file and in pieces. */
const weights = Buffer.alloc(300_000, 1).map((_, i) => (i * 31) % 251);
const config = JSON.stringify({ model_type: "bert" });
const small = { "config.json": config, "tokenizer.json": "{}", "README.md": "# tiny" };
const whole = {
  ...small,
  "model.safetensors": weights,
  "pytorch_model.bin": "other",
  "onnx/model.onnx": "other",
  "onnx/model_quantized.onnx": "other",
  "tf_model.h5": "other",
};

const fetchIt = (settings: HubSettings, text = name, onProgress?: (progress: DownloadProgress) => void) =>
  fetchModel(parseRepoId(text)!, { settings, onProgress });

/** Every file and link of a cache, relative to it. */
const tree = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => !lstatSync(join(folder, file)).isDirectory())
    .sort();

describe("a model of the Hub", () => {
  test("lies in the cache as Python lays it: contents once, links and the commit of its branch", async () => {
    const commit = hub.addRepo(name, whole);
    const settings = settingsFor();
    const { folder } = await fetchIt(settings);
    const home = "models--some-org--tiny";
    const sha256 = createHash("sha256").update(weights).digest("hex");
    const sha1 = createHash("sha1").update(`blob ${config.length}\0`).update(config).digest("hex");
    expect(folder).toBe(join(settings.cache, home, "snapshots", commit));
    expect(tree(settings.cache).filter((file) => !file.includes("blobs"))).toEqual([
      `${home}/refs/main`,
      `${home}/snapshots/${commit}/config.json`,
      `${home}/snapshots/${commit}/model.safetensors`,
      `${home}/snapshots/${commit}/tokenizer.json`,
    ]);
    expect(readFileSync(join(settings.cache, home, "refs/main"), "utf8")).toBe(commit);
    expect(readlinkSync(join(folder, "model.safetensors"))).toBe(`../../blobs/${sha256}`);
    expect(readlinkSync(join(folder, "config.json"))).toBe(`../../blobs/${sha1}`);
    expect(readFileSync(join(folder, "model.safetensors")).equals(weights)).toBe(true);
  });

  test("is not fetched again, and a new commit brings only what changed", async () => {
    hub.addRepo(name, whole);
    const settings = settingsFor();
    await fetchIt(settings);
    const contents = () => hub.seen.filter(({ url }) => /resolve|get/.test(url)).length;
    const before = contents();
    await fetchIt(settings);
    expect(contents()).toBe(before);
    const commit = hub.addRepo(name, { ...whole, "config.json": `${config} ` });
    const { folder } = await fetchIt(settings);
    expect(contents()).toBe(before + 1);
    expect(folder).toMatch(new RegExp(`${commit}$`));
    expect(readFileSync(join(folder, "model.safetensors")).equals(weights)).toBe(true);
  });

  test("at a commit, a branch and a tag", async () => {
    const first = hub.addRepo(name, whole);
    hub.addRepo(name, { ...whole, "config.json": `${config} ` });
    hub.repos.get(name)!.refs.set("v1.0/final", first);
    const settings = settingsFor();
    expect((await fetchIt(settings, `${name}@${first}`)).commit).toBe(first);
    expect((await fetchIt(settings, `${name}@v1.0/final`)).commit).toBe(first);
    expect((await fetchIt(settings)).commit).not.toBe(first);
    expect(readFileSync(join(settings.cache, "models--some-org--tiny/refs/v1.0/final"), "utf8")).toBe(first);
  });

  test.each<[string, Record<string, string | Uint8Array>, string[]]>([
    [
      "PyTorch's weights where there is no safetensors",
      { ...small, "pytorch_model.bin": "x" },
      ["pytorch_model.bin"],
    ],
    [
      "ONNX where no architecture builds the type",
      { ...whole, "config.json": '{"model_type":"unheard-of"}', "onnx/model.onnx_data": "more" },
      ["onnx/model.onnx", "onnx/model.onnx_data"],
    ],
    [
      "ONNX where the type is only borrowed",
      { ...whole, "config.json": '{"model_type":"bert","diapason":{"model_type":"borrowed"}}' },
      ["onnx/model.onnx"],
    ],
    ["ONNX where there are no other weights", { ...small, "onnx/model.onnx": "x" }, ["onnx/model.onnx"]],
    [
      "an adapter",
      { "adapter_config.json": "{}", "adapter_model.safetensors": "x", "adapter_model.bin": "y" },
      ["adapter_config.json", "adapter_model.safetensors"],
    ],
  ])("%s", async (_, files, expected) => {
    hub.addRepo(name, files);
    const { folder } = await fetchIt(settingsFor());
    expect(tree(folder).filter((file) => !/^(config|tokenizer)\.json$/.test(file))).toEqual(expected);
  });

  test("in several files: those that the index names, and no others", async () => {
    const made = newFolder();
    const tensors = new Map([1, 2, 3].map((i) => [`w${i}`, float32([100], new Float32Array(100).fill(i))]));
    await saveCheckpoint(made, tensors, { shardBytes: 500 });
    const shards = Object.fromEntries(
      readdirSync(made).map((file) => [file, readFileSync(join(made, file))]),
    );
    hub.addRepo(name, {
      ...small,
      ...shards,
      "model-00009-of-00009.safetensors": "other",
      "pytorch_model.bin": "x",
    });
    const { folder } = await fetchIt(settingsFor());
    expect(tree(folder).filter((file) => /safetensors|bin/.test(file))).toEqual(Object.keys(shards).sort());
    const { tensors: read } = await openCheckpoint(folder);
    expect([...read.keys()].sort()).toEqual(["w1", "w2", "w3"]);
  });

  test("tells how far each file is", async () => {
    hub.addRepo(name, whole);
    const told: DownloadProgress[] = [];
    await fetchIt(settingsFor(), name, (progress) => told.push(progress));
    const own = told.filter(({ file }) => file === "model.safetensors");
    expect(own[0]).toEqual({
      kind: "model",
      repo: name,
      file: "model.safetensors",
      bytes: 0,
      total: 300_000,
    });
    expect(own.at(-1)!.bytes).toBe(300_000);
    expect(own.every(({ bytes }, i) => i === 0 || bytes > own[i - 1]!.bytes)).toBe(true);
  });
});

describe("the token", () => {
  test("goes to the Hub and not to the store that it names", async () => {
    hub.addRepo(name, whole, { isPrivate: true });
    await fetchIt(settingsFor({ token: hub.token }));
    expect(
      hub.seen.filter(({ host }) => host === "hub").every((s) => s.authorization === "Bearer hf_valid"),
    ).toBe(true);
    const stored = hub.seen.filter(({ host }) => host === "store");
    expect(stored.map(({ authorization }) => authorization)).toEqual([undefined]);
  });

  test.each<[string, Partial<HubSettings>, { isPrivate?: boolean; isGated?: boolean }, string, RegExp]>([
    ["a private model without one", {}, { isPrivate: true }, "models/hub-not-found", /set HF_TOKEN/],
    [
      "a gated model without one",
      {},
      { isGated: true },
      "models/hub-denied",
      /Accept them at .*some-org\/tiny, and set HF_TOKEN/,
    ],
    [
      "one that is not valid",
      { token: "hf_old" },
      {},
      "models/hub-denied",
      /Set HF_TOKEN to a token that is valid/,
    ],
  ])("%s", async (_, more, options, code, fix) => {
    hub.addRepo(name, whole, options);
    const settings = settingsFor(more);
    const error = await mistakeOf(fetchIt(settings));
    expect([error.code, error.fix]).toEqual([code, expect.stringMatching(fix)]);
    expect(hub.seen.length).toBeLessThan(5);
  });
});

describe("what is not there", () => {
  test("a repository, a revision, weights, an architecture", async () => {
    hub.addRepo(name, whole);
    hub.addRepo("some-org/words", { "README.md": "x", "tf_model.h5": "x" });
    hub.addRepo("some-org/odd", { "config.json": '{"model_type":"unheard-of"}', "model.safetensors": "x" });
    const settings = settingsFor();
    const codes = async (text: string) => {
      const { code, message } = await mistakeOf(fetchIt(settings, text));
      return `${code} ${message}`;
    };
    expect(await codes("some-org/other")).toMatch(
      /^models\/hub-not-found There is no model "some-org\/other"/,
    );
    expect(await codes(`${name}@nightly`)).toMatch(
      /^models\/hub-no-revision .* no branch, tag or commit "nightly"/,
    );
    expect(await codes("some-org/words")).toMatch(/^models\/not-found .*holds no weights/);
    expect(await codes("some-org/odd")).toMatch(
      /^models\/unknown-architecture .*"unheard-of" without an ONNX/,
    );
    expect(hub.seen.some(({ host }) => host === "store")).toBe(false);
  });
});

describe("a connection that fails", () => {
  const blobs = (settings: HubSettings) => readdirSync(join(settings.cache, "models--some-org--tiny/blobs"));

  test("is taken up again where it was cut", async () => {
    hub.addRepo(name, whole);
    hub.cuts.set("model.safetensors", [100_000, 50_000, 1]);
    const { folder } = await fetchIt(settingsFor());
    expect(readFileSync(join(folder, "model.safetensors")).equals(weights)).toBe(true);
    const ranges = hub.seen.filter(({ host }) => host === "store").map(({ range }) => range);
    expect(ranges).toEqual([undefined, "bytes=100000-", "bytes=150000-", "bytes=150001-"]);
  });

  test("is given up after five attempts that bring nothing; the next call goes on from there", async () => {
    hub.addRepo(name, whole);
    hub.cuts.set("model.safetensors", [100_000, 0, 0, 0, 0, 0, 0]);
    const settings = settingsFor();
    const error = await mistakeOf(fetchIt(settings));
    expect([error.code, error.fix]).toEqual(["models/hub-unreachable", expect.stringMatching(/is kept/)]);
    expect(blobs(settings).filter((file) => file.endsWith(".incomplete"))).toHaveLength(1);
    hub.cuts.clear();
    hub.seen.length = 0;
    const { folder } = await fetchIt(settings);
    expect(hub.seen.find(({ host }) => host === "store")!.range).toBe("bytes=100000-");
    expect(readFileSync(join(folder, "model.safetensors")).equals(weights)).toBe(true);
    expect(blobs(settings).some((file) => file.includes("incomplete"))).toBe(false);
  });

  test("what a process that was killed left is taken over; what one writes to is not", async () => {
    hub.addRepo(name, whole);
    const settings = settingsFor();
    const folder = join(settings.cache, "models--some-org--tiny/blobs");
    mkdirSync(folder, { recursive: true });
    const blob = join(folder, createHash("sha256").update(weights).digest("hex"));
    const alive = `${blob}.diapason-${process.pid}-00000000.incomplete`;
    writeFileSync(alive, weights.subarray(0, 5000));
    // No process has this number: Linux has fewer.
    writeFileSync(`${blob}.diapason-99999999-00000000.incomplete`, weights.subarray(0, 3000));
    await fetchIt(settings);
    expect(hub.seen.find(({ host }) => host === "store")!.range).toBe("bytes=3000-");
    expect(readFileSync(blob).equals(weights)).toBe(true);
    expect(existsSync(alive)).toBe(true);
  });

  test("a cache that cannot be written is told so", async () => {
    hub.addRepo(name, whole);
    const file = join(newFolder(), "file");
    writeFileSync(file, "");
    const error = await mistakeOf(fetchIt(settingsFor({ cache: join(file, "hub") })));
    expect([error.code, error.message]).toEqual(["base/not-writable", expect.stringContaining(file)]);
  });

  test("begins anew at a server that knows no ranges, and after what does not fit", async () => {
    hub.addRepo(name, whole);
    hub.ignoresRanges = true;
    hub.cuts.set("model.safetensors", [100_000]);
    const settings = settingsFor();
    const { folder } = await fetchIt(settings);
    expect(readFileSync(join(folder, "model.safetensors")).equals(weights)).toBe(true);
    // A part that another version left under the name.
    hub.ignoresRanges = false;
    const blob = join(dirname(dirname(folder)), "blobs", createHash("sha256").update(weights).digest("hex"));
    rmSync(blob);
    rmSync(join(folder, "model.safetensors"));
    writeFileSync(`${blob}.incomplete`, "something else");
    await fetchIt(settings);
    expect(readFileSync(join(folder, "model.safetensors")).equals(weights)).toBe(true);
  });

  test("waits where the server is busy", async () => {
    hub.addRepo(name, whole);
    hub.statuses.set("model.safetensors", [503, 429, 500]);
    expect((await fetchIt(settingsFor())).notes).toEqual([]);
  });

  test("of a server that is not there, without and with a copy in the cache", async () => {
    const commit = hub.addRepo(name, whole);
    const settings = settingsFor();
    await fetchIt(settings);
    await hub.close();
    const { folder, notes } = await fetchIt(settings);
    expect(folder).toMatch(new RegExp(`${commit}$`));
    expect(notes[0]).toMatch(
      /cannot be reached \(ECONNREFUSED\).*The copy of "some-org\/tiny" in the cache is used/,
    );
    expect((await mistakeOf(fetchIt(settings, "some-org/other"))).code).toBe("models/hub-unreachable");
  });

  test("contents that do not fit their checksum, or are too long, are not kept", async () => {
    hub.addRepo(name, whole);
    for (const [content, message] of [
      [Buffer.from(weights).fill(0, 100, 101), /do not fit their checksum/],
      [Buffer.concat([weights, weights]), /more than the 300000/],
    ] as const) {
      const settings = settingsFor();
      hub.wrong.set("model.safetensors", content);
      const error = await mistakeOf(fetchIt(settings));
      expect([error.code, error.message]).toEqual(["models/hub-wrong-bytes", expect.stringMatching(message)]);
      expect(blobs(settings)).toHaveLength(2);
    }
  });

  test("two at once end with one copy each", async () => {
    hub.addRepo(name, whole);
    hub.cuts.set("model.safetensors", [1000, 2000]);
    const settings = settingsFor();
    const both = await Promise.all([fetchIt(settings), fetchIt(settings)]);
    expect(both[0]).toEqual(both[1]);
    expect(blobs(settings)).toHaveLength(3);
    expect(readFileSync(join(both[0]!.folder, "model.safetensors")).equals(weights)).toBe(true);
  });

  test("Ctrl-C ends it at once, and what has come is kept", async () => {
    hub.addRepo(name, whole);
    hub.cuts.set("model.safetensors", [1000, 0, 0, 0, 0, 0]);
    const settings = settingsFor({ backoffMs: 60_000 });
    const abort = new AbortController();
    const reason = new Error("interrupted");
    const work = fetchModel(parseRepoId(name)!, {
      settings,
      signal: abort.signal,
      onProgress: ({ bytes }) => void (bytes === 1000 && setTimeout(() => abort.abort(reason), 50)),
    });
    await expect(work).rejects.toBe(reason);
    expect(blobs(settings).filter((file) => file.endsWith(".incomplete"))).toHaveLength(1);
  });
});

describe("a server that lies", () => {
  test.each<[string, Record<string, string>, RegExp]>([
    [
      "a file that would leave the folder",
      { "../../evil.json": "x", "1_x/../../config.json": "y" },
      /holds no weights/,
    ],
    ["a file under an absolute path", { "/etc/config.json": "x" }, /holds no weights/],
  ])("%s is not fetched", async (_, files, message) => {
    hub.addRepo(name, files);
    const settings = settingsFor();
    expect((await mistakeOf(fetchIt(settings))).message).toMatch(message);
    expect(tree(dirname(dirname(settings.cache))).some((file) => file.includes("evil"))).toBe(false);
    expect(tree(settings.cache)).toEqual([]);
  });

  test("an index that leaves the folder is refused", async () => {
    const index = JSON.stringify({ weight_map: { a: "../../../x.safetensors" } });
    hub.addRepo(name, { ...small, "model.safetensors.index.json": index });
    expect((await mistakeOf(fetchIt(settingsFor()))).code).toBe("formats/index-outside");
  });
});

describe("without the Hub", () => {
  test("a cache that Python wrote is read; nothing is asked", async () => {
    // The layout that huggingface_hub writes, with a lock and a marker of a file that the repository lacks.
    const settings = settingsFor({ isOffline: true });
    const commit = "a".repeat(40);
    const home = join(settings.cache, "models--some-org--tiny");
    for (const folder of ["blobs", "refs", `snapshots/${commit}`, `.no_exist/${commit}`])
      mkdirSync(join(home, folder), { recursive: true });
    mkdirSync(join(settings.cache, ".locks/models--some-org--tiny"), { recursive: true });
    writeFileSync(join(home, `.no_exist/${commit}/chat_template.jinja`), "");
    writeFileSync(join(home, "refs/main"), commit);
    const put = (path: string, etag: string, content: string | Uint8Array) => {
      writeFileSync(join(home, "blobs", etag), content);
      symlinkSync(join("../../blobs", etag), join(home, "snapshots", commit, path));
    };
    put("config.json", "b".repeat(40), config);
    expect((await mistakeOf(fetchIt(settings))).message).toMatch(/is not whole in the cache/);
    put("model.safetensors", "c".repeat(64), weights);
    const { folder, commit: found } = await fetchIt(settings);
    expect([folder, found]).toEqual([join(home, "snapshots", commit), commit]);
    expect((await fetchIt(settings, `${name}@${commit}`)).folder).toBe(folder);
    const error = await mistakeOf(fetchIt(settings, `${name}@other`));
    expect([error.code, error.message]).toEqual([
      "models/hub-offline",
      expect.stringMatching(/"some-org\/tiny" at "other" is not in the cache/),
    ]);
    expect(hub.seen).toEqual([]);
  });

  test("one of several files that is missing makes it no whole model", async () => {
    const files = { "model-1.safetensors": "x", "model-2.safetensors": "y" };
    const index = JSON.stringify({ weight_map: { a: "model-1.safetensors", b: "model-2.safetensors" } });
    hub.addRepo(name, { ...small, ...files, "model.safetensors.index.json": index });
    const settings = settingsFor();
    const { folder } = await fetchIt(settings);
    const offline = { ...settings, isOffline: true };
    expect((await fetchIt(offline)).folder).toBe(folder);
    rmSync(join(folder, "model-2.safetensors"));
    expect((await mistakeOf(fetchIt(offline))).code).toBe("models/hub-offline");
  });
});

describe("what --model may be", () => {
  const before = process.cwd();
  beforeAll(() => {
    const folder = newFolder();
    process.chdir(folder);
    mkdirSync("some-org/tiny", { recursive: true });
    mkdirSync("models/letters", { recursive: true });
    writeFileSync("model.onnx", "");
  });
  afterAll(() => process.chdir(before));

  test("a path goes before an id", async () => {
    for (const path of ["some-org/tiny", "model.onnx", "./models/letters"])
      expect(await locateModel(path, { settings: settingsFor() })).toEqual({ path, name: path, notes: [] });
    expect(hub.seen).toEqual([]);
  });

  test.each(["models/policy.onnx", "elsewhere/policy.onnx"])(
    "%s, a file that is missing, is no id",
    async (path) => {
      const error = await mistakeOf(locateModel(path, { settings: settingsFor() }));
      expect([error.code, error.message]).toEqual([
        "models/not-found",
        expect.stringContaining(`There is no file or folder "${path}"`),
      ]);
      expect(hub.seen).toEqual([]);
    },
  );

  test("an id is named by its commit", async () => {
    const commit = hub.addRepo("other-org/tiny", whole);
    const { path, name: named } = await locateModel("other-org/tiny", { settings: settingsFor() });
    expect(named).toBe(`other-org/tiny@${commit}`);
    expect(existsSync(join(path, "model.safetensors"))).toBe(true);
  });

  test("an id with a revision is no slip, whatever lies there", async () => {
    hub.addRepo("some-org/tinny", whole);
    expect((await mistakeOf(locateModel("some-org/tinny", { settings: settingsFor() }))).fix).toMatch(
      /some-org\/tiny/,
    );
    const { name: named } = await locateModel("some-org/tinny@main", { settings: settingsFor() });
    expect(named).toMatch(/^some-org\/tinny@[0-9a-f]{40}$/);
  });

  test("one word is a folder, or one of the Hub's oldest models", async () => {
    const commit = hub.addRepo("old-gpt", whole);
    const settings = settingsFor();
    const { path, name: named } = await locateModel("old-gpt", { settings });
    expect(named).toBe(`old-gpt@${commit}`);
    expect(path).toBe(join(settings.cache, "models--old-gpt", "snapshots", commit));
    expect(hubNameOf(named)).toBe("old-gpt");
    const offline = { ...settings, isOffline: true };
    expect((await locateModel("old-gpt", { settings: offline })).path).toBe(path);
    mkdirSync("old-gpt");
    expect((await locateModel("old-gpt", { settings })).path).toBe("old-gpt");
  });

  test.each<[string, () => HubSettings, RegExp, RegExp]>([
    ["absent", () => settingsFor(), /There is no model "somewhere" at http/, /Check the spelling/],
    ["forbidden", () => settingsFor({ isOffline: true }), /not in the cache/, /Unset HF_HUB_OFFLINE/],
    ["out of reach", () => settingsFor({ endpoint: "http://127.0.0.1:9" }), /cannot be/, /connection/],
  ])("one word that is neither, the Hub's model %s", async (_, settings, message, fix) => {
    const error = await mistakeOf(locateModel("somewhere", { settings: settings() }));
    expect(error.code).toBe("models/not-found");
    expect(error.message).toMatch(/^There is no file or folder "somewhere"; /);
    expect(error.message).toMatch(message);
    expect(error.fix).toMatch(/^If a file or folder was meant, give its path\./);
    expect(error.fix).toMatch(fix);
  });

  test("an adapter's base of one word comes from the Hub", async () => {
    const error = async (more: Partial<HubSettings>) => {
      const folder = newFolder();
      const adapter = { peft_type: "LORA", base_model_name_or_path: "first-gpt", target_modules: ["c_attn"] };
      writeFileSync(join(folder, "adapter_config.json"), JSON.stringify(adapter));
      writeFileSync(join(folder, "adapter_model.safetensors"), "\x02\0\0\0\0\0\0\0{}");
      return mistakeOf(locateModel(folder, { settings: settingsFor(more), isApart: true }));
    };
    expect((await error({ isOffline: true })).message).toMatch(
      /The adapter in .* is for the model "first-gpt", which is not found: .*not in the cache/,
    );
    expect(hub.seen).toEqual([]);
    await error({});
    expect(hub.seen[0]?.url).toContain("/api/models/first-gpt");
  });

  test.each([
    ["models/leters", /"models\/leters", nor/, /Did you mean "models\/letters"/],
    ["modle.onnx", /nor is that the id of a model/, /Did you mean "model.onnx"/],
    ["./nowhere/at/all", /nor is that the id/, /such as sentence-transformers/],
    ["model_onnx", /"model_onnx"/, /Did you mean "model.onnx"/],
    ["gpt2.onnx", /which is org\/name/, /an id such as/],
  ])("%s is told what is near, without asking the Hub", async (text, message, fix) => {
    const error = await mistakeOf(locateModel(text, { settings: settingsFor() }));
    expect([error.code, error.message, error.fix]).toEqual([
      "models/not-found",
      expect.stringMatching(message),
      expect.stringMatching(fix),
    ]);
    expect(hub.seen).toEqual([]);
  });

  test.each([
    ["org/name", { name: "org/name", revision: "main" }],
    ["gpt2", { name: "gpt2", revision: "main" }],
    ["bert-base-uncased@v1.0", { name: "bert-base-uncased", revision: "v1.0" }],
    ["-gpt2", undefined],
    ["model.onnx", undefined],
    ["Org-1/name.v2_x@refs/pr/1", { name: "Org-1/name.v2_x", revision: "refs/pr/1" }],
    ["../name", undefined],
    ["org/../name", undefined],
    ["org/name/file", undefined],
    ["datasets/name", undefined],
    ["org\\name", undefined],
    ["org/na--me", undefined],
    ["https://huggingface.co/org/name", undefined],
  ])("the id %s", (text, id) => expect(parseRepoId(text)).toEqual(id));

  test.each(["org/name@../../x", "org/name@a b", "org/name@/x"])("the revision of %s", (text) =>
    expect(() => parseRepoId(text)).toThrow(/is no name of a branch/),
  );
});

describe("where the Hub and its cache are", () => {
  test("in the words of Python's library, the more special one first", () => {
    const cache = (env: Record<string, string>) => hubSettings(env).cache;
    expect(cache({ HF_HUB_CACHE: "/a", HUGGINGFACE_HUB_CACHE: "/b", HF_HOME: "/c" })).toBe("/a");
    expect(cache({ HUGGINGFACE_HUB_CACHE: "/b", HF_HOME: "/c" })).toBe("/b");
    expect(cache({ HF_HOME: "/c", XDG_CACHE_HOME: "/d" })).toBe("/c/hub");
    expect(cache({ XDG_CACHE_HOME: "/d" })).toBe("/d/huggingface/hub");
    expect(cache({ HF_HOME: "$PLACE/hf", PLACE: "/e" })).toBe("/e/hf/hub");
    expect(cache({})).toMatch(/\.cache\/huggingface\/hub$/);
  });

  test("token, endpoint and offline mode", () => {
    const home = newFolder();
    writeFileSync(join(home, "token"), "hf_file\n");
    expect(hubSettings({ HF_HOME: home }).token).toBe("hf_file");
    expect(hubSettings({ HF_HOME: home, HF_TOKEN: "hf_env" }).token).toBe("hf_env");
    expect(hubSettings({ HF_HOME: newFolder() }).token).toBeUndefined();
    expect(hubSettings({ HF_ENDPOINT: "http://mirror/" }).endpoint).toBe("http://mirror");
    expect(hubSettings({ TRANSFORMERS_OFFLINE: "1" }).isOffline).toBe(true);
    expect(hubSettings({ HF_HUB_OFFLINE: "0" }).isOffline).toBe(false);
  });
});
