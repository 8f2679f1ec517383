import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { locateData } from "../../src/app/opening/located-data.node.ts";
import { openArrays } from "../../src/data/array-files.node.ts";
import { openImageFolder } from "../../src/data/image-folder.node.ts";
import { openTextRows } from "../../src/data/text/open-text-rows.node.ts";
import type { DownloadProgress } from "../../src/models/hub/fetch-repo.node.ts";
import { locateModel } from "../../src/models/hub/locate.node.ts";
import type { HubSettings } from "../../src/models/hub/settings.node.ts";
import { newFolder } from "../new-folder.ts";
import { fixture, hub, mistakeOf, settingsFor } from "./workplace.ts";

const name = "some-org/data";
const at = `datasets/${name}`;
const card = (yaml: string) => `---\n${yaml}\n---\n# Data\n`;
const reviews = "text,label\ngood film,1\nbad film,0\nfine book,1\npoor book,0\n";
const named = card(
  'dataset_info:\n  features:\n  - name: label\n    dtype:\n      class_label:\n        names: {"0": negative, "1": positive}',
);
/** Two configs of two splits each; the first's training rows are in two files. */
const several = {
  "README.md": card(
    [
      "configs:",
      "- config_name: english",
      "  data_files:",
      "  - {split: train, path: en/train-*}",
      "  - {split: test, path: en/held.jsonl}",
      "- config_name: french",
      '  data_files: "fr/*.csv"',
    ].join("\n"),
  ),
  "en/train-00000-of-00002.csv": reviews,
  "en/train-00001-of-00002.csv": reviews.replaceAll("film", "play"),
  "en/held.jsonl": '{"text":"good","label":1}\n{"text":"bad","label":0}\n',
  "fr/tout.csv": reviews.replaceAll("film", "livre"),
  "big.bin": "not wanted",
};

const read = { seed: 0, validationShare: 0 };
const inTree = (folder: string) =>
  (readdirSync(folder, { recursive: true, encoding: "utf8" }) as string[])
    .filter((file) => /\.\w+$/.test(file))
    .sort();
/** The paths of the files that were asked for, without those of the listing. */
const fetched = () =>
  hub.seen
    .filter(({ url, host }) => host === "hub" && url.includes("/resolve/"))
    .map(({ url }) => url.replace(/^.*\/resolve\/[0-9a-f]{40}\//, ""));

describe("a data set of the Hub", () => {
  test("lies in the cache as Python lays it, and only what its config needs", async () => {
    const commit = hub.addRepo(at, several);
    const settings = settingsFor();
    const notes: string[] = [];
    const found = await locateData(name, {
      config: "english",
      settings,
      onNote: (note) => notes.push(note),
    });
    expect(found.name).toBe(`${name}@${commit}`);
    expect(fetched().sort()).toEqual(
      ["README.md", "en/held.jsonl", "en/train-00000-of-00002.csv", "en/train-00001-of-00002.csv"].sort(),
    );
    const home = join(settings.cache, "datasets--some-org--data");
    expect(readFileSync(join(home, "refs/main"), "utf8")).toBe(commit);
    expect(readFileSync(join(home, "snapshots", commit, "en/held.jsonl"), "utf8")).toContain("good");
    expect(notes).toEqual(['some-org/data, config "english": train 2 files, test en/held.jsonl (167 B).']);
    expect(inTree(found.path)).toEqual([
      "dataset_info.json",
      "test.jsonl",
      "train-00000-of-00002.csv",
      "train-00001-of-00002.csv",
    ]);
    const { splits, classes } = await openTextRows(found.path, read);
    expect([splits.train.length, splits.test.length, classes]).toEqual([8, 2, ["0", "1"]]);
  });

  test("is fetched and laid out once; another config beside it", async () => {
    hub.addRepo(at, several);
    const settings = settingsFor();
    const first = await locateData(name, { config: "english", settings });
    const before = fetched().length;
    expect(await locateData(name, { config: "english", settings })).toEqual(first);
    expect(fetched().length).toBe(before);
    const french = await locateData(name, { config: "french", settings });
    expect(french.path).not.toBe(first.path);
    const { splits } = await openTextRows(french.path, read);
    expect(splits.train.map(({ values }) => values.text)).toContain("good livre");
    // Contents that were removed from the cache since are fetched again.
    rmSync(join(settings.cache, "datasets--some-org--data/blobs"), { recursive: true });
    const again = await locateData(name, { config: "english", settings });
    expect(readFileSync(join(again.path, "test.jsonl"), "utf8")).toContain("bad");
  });

  test("of several configs without a default is told which there are", async () => {
    hub.addRepo(at, several);
    const error = await mistakeOf(locateData(name, { settings: settingsFor() }));
    expect([error.code, error.message, error.fix]).toEqual([
      "data/unknown-config",
      '"some-org/data" has 2 configs, and none is its default: "english", "french".',
      "Choose one, such as --data-config english (dataConfig in a recipe).",
    ]);
    expect(fetched()).toEqual(["README.md"]);
  });

  test("at a commit, and as its copy in Parquet", async () => {
    const first = hub.addRepo(at, { "train.csv": reviews });
    hub.addRepo(at, { "train.csv": `${reviews}new,1\n` });
    const settings = settingsFor();
    const rowsOf = async (id: string, config?: string) => {
      const { path } = await locateData(id, { settings, config });
      return (await openTextRows(path, read)).splits.train.length;
    };
    expect(await rowsOf(`${name}@${first}`)).toBe(4);
    expect(await rowsOf(name)).toBe(5);

    const scripted = hub.addRepo("datasets/old_set", {
      "old_set.py": "import datasets",
      "README.md": "# Old",
    });
    const error = await mistakeOf(locateData("old_set@main", { settings }));
    expect([error.code, error.fix]).toEqual([
      "data/no-data-files",
      expect.stringContaining('"old_set@refs/convert/parquet"'),
    ]);
    const converted = hub.addRepo("datasets/old_set", {
      "plain/train/0000.parquet": fixture("sentences-train.parquet"),
      "plain/test/0000.parquet": fixture("sentences-validation.parquet"),
    });
    const { refs } = hub.repos.get("datasets/old_set")!;
    refs.set("main", scripted).set("refs/convert/parquet", converted);
    const { path, name: recorded } = await locateData("old_set@refs/convert/parquet", { settings });
    expect(recorded).toBe(`old_set@${converted}`);
    const { splits, classes } = await openTextRows(path, read);
    expect([splits.train.length, splits.test.length, classes]).toEqual([24, 8, ["negative", "positive"]]);
    // The commit that was recorded leads to the same.
    expect(await locateData(recorded, { settings })).toEqual({ path, name: recorded });
  });

  test("tells how far each file is, and many small ones together", async () => {
    const pages = Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [`train/${i}.txt`, `page ${i} `.repeat(i + 1)]),
    );
    hub.addRepo(at, pages);
    const told: DownloadProgress[] = [];
    const { path } = await locateData(name, { settings: settingsFor(), onProgress: (one) => told.push(one) });
    const total = Object.values(pages).join("").length;
    expect(told.at(-1)).toEqual({ kind: "dataset", repo: name, file: "40 small files", bytes: total, total });
    expect(inTree(path)).toHaveLength(41);
  });
});

describe("names of classes", () => {
  test("come from the card for files that do not say them", async () => {
    for (const [file, content] of [
      ["train.csv", reviews],
      ["data.jsonl", '{"text":"good","label":1}\n{"text":"bad","label":0}\n'],
      ["train.csv.gz", gzipSync(reviews)],
    ] as const) {
      hub.addRepo(at, { [file]: content, "README.md": named });
      const { path } = await locateData(name, { settings: settingsFor() });
      const { classes, splits } = await openTextRows(path, read);
      expect(classes).toEqual(["negative", "positive"]);
      expect(splits.train[0]!.values.label).toBe("positive");
    }
  });

  test("come from Parquet, and a test split that keeps its labels back is left out", async () => {
    hub.addRepo(
      at,
      Object.fromEntries(
        ["train", "validation", "test"].map((split) => [
          `data/${split}-00000-of-00001.parquet`,
          fixture(`sentences-${split}.parquet`),
        ]),
      ),
    );
    const { path } = await locateData(name, { settings: settingsFor() });
    const { classes, splits, findings } = await openTextRows(path, read);
    expect(classes).toEqual(["negative", "positive"]);
    expect([splits.train.length, splits.validation.length, splits.test.length]).toEqual([24, 8, 0]);
    expect(findings.map(({ message }) => message)).toContain(
      "The test rows have no labels (missing or −1 in every one), and are left out.",
    );
  });
});

describe("pictures", () => {
  test("in Parquet become a folder, their classes in the order of the data set", async () => {
    hub.addRepo(at, {
      "data/train-00000-of-00002.parquet": fixture("pictures-train.parquet"),
      "data/train-00001-of-00002.parquet": fixture("pictures-train.parquet"),
      "data/test-00000-of-00001.parquet": fixture("pictures-test.parquet"),
      "data/validation-00000-of-00001.parquet": fixture("pictures-hidden.parquet"),
    });
    const notes: string[] = [];
    const done: string[] = [];
    const { path } = await locateData(name, {
      settings: settingsFor(),
      onNote: (note) => notes.push(note),
      onPictures: (...one) => done.push(one.join(" ")),
    });
    expect(done).toEqual(["train 1 2", "train 2 2", "validation 1 1", "test 1 1"]);
    const { classes, splits } = await openImageFolder(path, read);
    // By name they would be blue, green, red.
    expect(classes).toEqual(["red", "green", "blue"]);
    expect([splits.train.length, splits.validation.length, splits.test.length]).toEqual([48, 0, 6]);
    expect(splits.train.slice(0, 4).map(({ id, label }) => [id, label])).toEqual([
      ["train/0000000.png", 0],
      ["train/0000001.png", 1],
      ["train/0000002.png", 2],
      ["train/0000003.png", 0],
    ]);
    expect(splits.train[24]!.id).toBe("train/0000024.png");
    expect(splits.test[0]!.id).toBe("test/0000000.jpg");
    expect(readFileSync(splits.train[30]!.path).equals(readFileSync(splits.train[6]!.path))).toBe(true);
    expect(notes.at(-1)).toBe("The validation pictures have no labels, and are left out.");
    const row = JSON.parse(readFileSync(join(path, "train/metadata.jsonl"), "utf8").split("\n")[1]!);
    expect(row).toEqual({ file_name: "0000001.png", label: "green", note: "picture 1" });
  });

  test("in folders of classes and with metadata keep their places", async () => {
    const png = fixture("pictures-test.parquet").subarray(0, 4); // never decoded here
    const layouts: Record<string, Record<string, string | Uint8Array>> = {
      folders: { "data/train/cat/1.png": png, "data/train/dog/2.png": png, "data/test/cat/3.png": png },
      classes: { "all/cat/1.png": png, "all/dog/2.png": png },
      "a column that the card says is a class": {
        "README.md": card(
          "dataset_info:\n  features:\n  - {name: kind, dtype: {class_label: {names: [cat, dog]}}}",
        ),
        "train/metadata.csv": "file_name,kind,source\n1.png,cat,x\n2.png,dog,y\n",
        "train/1.png": png,
        "train/2.png": png,
      },
      metadata: {
        "train/metadata.csv": "file_name,label\na/1.png,cat\n2.png,dog\n",
        "train/a/1.png": png,
        "train/2.png": png,
      },
    };
    for (const files of Object.values(layouts)) {
      hub.addRepo(at, files);
      const { path } = await locateData(name, { settings: settingsFor() });
      const { classes, splits, findings } = await openImageFolder(path, read);
      expect(classes).toEqual(["cat", "dog"]);
      expect(splits.train).toHaveLength(2);
      expect(splits.test).toHaveLength(files["data/test/cat/3.png"] ? 1 : 0);
      expect(findings.filter(({ kind }) => kind === "skipped-files")).toEqual([]);
    }
  });

  test("in Parquet that is damaged, or are none", async () => {
    const whole = fixture("pictures-train.parquet");
    const begin = whole.indexOf("\x89PNG", 0, "latin1");
    for (const [bytes, code, why] of [
      [
        Buffer.concat([whole.subarray(0, 900), whole.subarray(1000)]),
        "data/bad-row",
        /cannot be read as Parquet/,
      ],
      [
        Buffer.from(whole).fill("BM", begin, begin + 2),
        "data/broken-image",
        /row 1, column "image" is no picture that is read; it begins with "BM/,
      ],
    ] as const) {
      hub.addRepo(at, { "data/train-00000-of-00001.parquet": bytes });
      const settings = settingsFor();
      const error = await mistakeOf(locateData(name, { settings }));
      expect([error.code, error.message]).toEqual([code, expect.stringMatching(why)]);
      expect(error.message).toContain("data/train-00000-of-00001.parquet");
      const made = join(settings.cache, "../diapason/datasets--some-org--data");
      expect(existsSync(made) ? inTree(made) : []).toEqual([]);
    }
  });
});

test("arrays by split are opened as arrays", async () => {
  const lines = (count: number) =>
    Array.from({ length: count }, (_, i) => `{"x":[${i},1],"y":${i}}\n`).join("");
  hub.addRepo(at, { "train.jsonl": lines(5), "test.jsonl": lines(2) });
  const { path } = await locateData(name, { settings: settingsFor() });
  const { splits } = await openArrays(path, read);
  expect([splits.train.rows.length, splits.test.rows.length]).toEqual([5, 2]);
});

describe("a connection that fails", () => {
  test("is taken up again where it was cut", async () => {
    const whole = fixture("sentences-train.parquet");
    hub.addRepo(at, { "train.parquet": whole });
    hub.cuts.set("train.parquet", [500, 300]);
    const { path } = await locateData(name, { settings: settingsFor() });
    expect(readFileSync(join(path, "train.parquet")).equals(whole)).toBe(true);
    expect(hub.seen.filter(({ host }) => host === "store").map(({ range }) => range)).toEqual([
      undefined,
      "bytes=500-",
      "bytes=800-",
    ]);
  });

  test("of a server that is gone, or that may not be asked: the cache will do if it has everything", async () => {
    const commit = hub.addRepo(at, several);
    const settings = settingsFor();
    const english = await locateData(name, { config: "english", settings });
    await hub.close();
    const notes: string[] = [];
    expect(
      await locateData(name, { config: "english", settings, onNote: (note) => notes.push(note) }),
    ).toEqual(english);
    expect(notes.join(" ")).toMatch(/cannot be reached .*The copy of "some-org\/data" in the cache is used/);
    const offline = { ...settings, isOffline: true };
    expect(await locateData(name, { config: "english", settings: offline })).toEqual(english);
    expect((await mistakeOf(locateData(name, { config: "french", settings }))).code).toBe(
      "models/hub-unreachable",
    );
    const error = await mistakeOf(locateData(name, { config: "french", settings: offline }));
    expect([error.code, error.message, error.fix]).toEqual([
      "models/hub-offline",
      expect.stringMatching(/not whole in the cache/),
      expect.stringMatching(/name a data set that is in the cache/),
    ]);
    // What Python fetched comes without a listing: numbered parts say how many there are.
    rmSync(join(settings.cache, "../diapason"), { recursive: true });
    await locateData(name, { config: "english", settings: offline });
    rmSync(join(settings.cache, "datasets--some-org--data/snapshots", commit, "en/train-00001-of-00002.csv"));
    expect((await mistakeOf(locateData(name, { config: "english", settings: offline }))).code).toBe(
      "models/hub-offline",
    );
  });
});

describe("what is not there, or not open", () => {
  test.each<[string, Partial<HubSettings>, { isPrivate?: boolean; isGated?: boolean }, string, RegExp]>([
    ["a private data set", {}, { isPrivate: true }, "models/hub-not-found", /private data set set HF_TOKEN/],
    [
      "a gated data set",
      {},
      { isGated: true },
      "models/hub-denied",
      /Accept them at .*\/datasets\/some-org\/data, and set HF_TOKEN/,
    ],
    ["a token that is not valid", { token: "hf_old" }, {}, "models/hub-denied", /a token that is valid/],
  ])("%s", async (_, more, options, code, fix) => {
    hub.addRepo(at, { "train.csv": reviews }, options);
    const error = await mistakeOf(locateData(name, { settings: settingsFor(more) }));
    expect([error.code, error.fix]).toEqual([code, expect.stringMatching(fix)]);
    hub.repos.get(at)!.isGated = false; // its conditions are accepted
    const open = await locateData(name, { settings: settingsFor({ token: hub.token }) });
    expect(open.path).toContain("datasets--some-org--data");
  });

  test("a model given as data, data given as a model, and neither", async () => {
    hub.addRepo("some-org/model", { "config.json": "{}" });
    hub.addRepo(at, { "train.csv": reviews });
    const settings = settingsFor();
    const model = await mistakeOf(locateData("some-org/model", { settings }));
    expect([model.code, model.message, model.fix]).toEqual([
      "models/hub-wrong-kind",
      expect.stringMatching(/"some-org\/model" is a model at .*, and no data set of this name/),
      expect.stringMatching(/a model is given with --model/),
    ]);
    const data = await mistakeOf(locateModel(name, { settings }));
    expect([data.code, data.message]).toEqual([
      "models/hub-wrong-kind",
      expect.stringMatching(/"some-org\/data" is a data set/),
    ]);
    const neither = await mistakeOf(locateData("some-org/other", { settings }));
    expect([neither.code, neither.message]).toEqual([
      "models/hub-not-found",
      expect.stringMatching(/There is no data set "some-org\/other"/),
    ]);
    expect((await mistakeOf(locateData(`${name}@nightly`, { settings }))).code).toBe(
      "models/hub-no-revision",
    );
  });

  test("a path goes first, and a mistyped one is no question to the Hub", async () => {
    const folder = newFolder();
    mkdirSync(join(folder, "reviews"));
    const settings = settingsFor();
    expect(await locateData(join(folder, "reviews"), { settings })).toEqual({
      path: join(folder, "reviews"),
      name: join(folder, "reviews"),
    });
    for (const [text, fix] of [
      [join(folder, "reviws"), /Did you mean ".*reviews"\?/],
      ["rows.csv", /or an id such as stanfordnlp\/sst2/],
    ] as const) {
      const error = await mistakeOf(locateData(text, { settings }));
      expect([error.code, error.fix]).toEqual(["data/not-found", expect.stringMatching(fix)]);
    }
    writeFileSync(join(folder, "rows.csv"), reviews);
    const error = await mistakeOf(locateData(join(folder, "rows.csv"), { settings, config: "english" }));
    expect(error.code).toBe("app/bad-option");
    expect(hub.seen).toEqual([]);
    const word = await mistakeOf(locateData("reviews", { settings }));
    expect([word.code, word.message]).toEqual([
      "data/not-found",
      expect.stringMatching(/^There is no file or folder "reviews"; taken for a data set on the Hub/),
    ]);
  });
});
