import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { chooseDataFiles } from "./data-files.node.ts";
import { readCard } from "./dataset-card.ts";
import { fitsGlob } from "./glob.ts";

interface Case {
  readonly name: string;
  readonly paths: readonly string[];
  readonly readme?: string;
  readonly config?: string;
  readonly splits: Readonly<Record<string, readonly string[]>> & { readonly error?: string };
}
const fixtures = join(import.meta.dirname, "../../../tests/fixtures/repositories");
const { cases } = JSON.parse(readFileSync(join(fixtures, "data-files.json"), "utf8")) as { cases: Case[] };

const choose = (paths: readonly string[], card = "", config?: string) =>
  chooseDataFiles({ name: "org/name", paths, card: readCard(card, "org/name") }, config);
const partsOf = (paths: readonly string[], card = "", config?: string) =>
  Object.fromEntries([...choose(paths, card, config).parts].map(([split, own]) => [split, own.toSorted()]));

describe("the files that Hugging Face's datasets chooses", () => {
  test("there are cases", () => expect(cases.length).toBeGreaterThan(25));

  test.each(cases.map((one) => [one.name, one] as const))("%s", (_, { paths, readme, config, splits }) => {
    if (splits.error) {
      expect(() => choose(paths, readme, config)).toThrow(
        expect.objectContaining({ code: "data/unknown-config" }),
      );
      return;
    }
    const expected = Object.entries(splits).map(([split, own]) => [split.replace("_sft", ""), own]);
    expect(partsOf(paths, readme, config)).toEqual(Object.fromEntries(expected));
  });
});

describe("beyond them", () => {
  const card = (yaml: string) => `---\n${yaml}\n---\n`;

  test("a converted copy has a config for each folder", () => {
    const paths = [
      ".gitattributes",
      ...["cola/train", "cola/test", "sst2/train", "sst2/validation"].map((at) => `${at}/0000.parquet`),
      "sst2/train/0001.parquet",
    ];
    expect(() => choose(paths)).toThrow(/has 2 configs, and none is its default: "cola", "sst2"/);
    expect(partsOf(paths, "", "sst2")).toEqual({
      train: ["sst2/train/0000.parquet", "sst2/train/0001.parquet"],
      validation: ["sst2/validation/0000.parquet"],
    });
    expect(partsOf(["default/train/0000.parquet", "default/test/0000.parquet"])).toEqual({
      train: ["default/train/0000.parquet"],
      test: ["default/test/0000.parquet"],
    });
    expect(choose(["plain_text/partial-train/0000.parquet", "plain_text/test/0000.parquet"]).notes).toEqual([
      'The split "partial-train" is used for training.',
    ]);
  });

  test("splits with names of their own serve where the plain ones are missing, and it is said", () => {
    const names = ["validation_matched", "validation_mismatched", "test_matched", "train"];
    const paths = names.map((name) => `data/${name}-00000-of-00001.parquet`);
    const { parts, notes } = choose(paths);
    expect([...parts.keys()]).toEqual(["train", "validation", "test"]);
    expect(parts.get("validation")).toEqual(["data/validation_matched-00000-of-00001.parquet"]);
    expect(notes).toEqual([
      'The split "validation_matched" is used for validation.',
      'The split "test_matched" is used for testing.',
      'Splits of the data set that are not used: "validation_mismatched".',
    ]);
    const more = ["train", "test", "unsupervised"].map((name) => `data/${name}-00000-of-00001.parquet`);
    expect(partsOf(more)).toEqual({ train: [more[0]], test: [more[1]] });
    expect(choose(["data/test-00000-of-00001.parquet"])).toMatchObject({
      parts: new Map([["train", ["data/test-00000-of-00001.parquet"]]]),
      notes: ['The data set has one split, "test", which is used as all there is.'],
    });
  });

  test.each<[string, readonly string[], string, string | undefined, RegExp, RegExp]>([
    [
      "a script alone",
      ["name.py", "README.md"],
      "",
      undefined,
      /no data files, but name\.py, a script of Python/,
      /"org\/name@refs\/convert\/parquet"/,
    ],
    ["archives", ["a.7z", "b.7z", "c.csv.bz2"], "", undefined, /2 \.7z, 1 \.bz2/, /unpack the files/],
    [
      "archives with a script",
      ["data.rar", "name.py"],
      "",
      undefined,
      /1 \.rar, which name\.py/,
      /refs\/convert/,
    ],
    ["nothing", ["README.md", ".gitattributes"], "", undefined, /has no data files\./, /refs/],
    [
      "patterns that nothing fits",
      ["a.csv"],
      card("configs:\n- config_name: x\n  data_files: b/*"),
      undefined,
      /no data files that fit the patterns of its config "x"/,
      /refs/,
    ],
  ])("%s", (_, paths, text, config, message, fix) => {
    expect(() => choose(paths, text, config)).toThrow(
      expect.objectContaining({
        code: "data/no-data-files",
        message: expect.stringMatching(message),
        fix: expect.stringMatching(fix),
      }),
    );
  });

  test("no file both trains and judges", () => {
    const text = (train: string) =>
      card(
        `configs:\n- config_name: x\n  data_files:\n  - {split: all, path: "*"}\n  - {split: train, path: "${train}"}\n  - {split: test, path: b.csv}`,
      );
    expect(choose(["a.csv", "b.csv"], text("*.csv"))).toMatchObject({
      parts: new Map([
        ["train", ["a.csv"]],
        ["test", ["b.csv"]],
      ]),
      notes: [
        'Splits of the data set that are not used: "all".',
        'Files that are there for training and for judging are held out alone: "b.csv".',
      ],
    });
    expect(partsOf(["a.csv", "b.csv"], text("b.csv"))).toEqual({ train: ["b.csv"] });
  });

  test("a config that is nearly the name of one, and settings of Python's reader", () => {
    const text = card(
      "configs:\n- config_name: english\n  data_files: a.csv\n  thousands: .\n- config_name: french\n  data_files: b.csv",
    );
    expect(() => choose(["a.csv"], text, "englsh")).toThrow(
      expect.objectContaining({ fix: 'Did you mean "english"?' }),
    );
    expect(choose(["a.csv", "b.csv"], text, "english").notes).toEqual([
      'The card\'s settings "thousands" of "english" are for Python\'s reader and not followed.',
    ]);
  });

  test.each([
    ["no YAML", "configs: [", /is no YAML/],
    ["a config that is none", "configs:\n- 3", /a config that cannot be understood: 3/],
    [
      "patterns that are none",
      "configs:\n- data_files:\n  - split: train\n    path: 3",
      /cannot be understood/,
    ],
    [
      "a split twice",
      "configs:\n- data_files:\n  - {split: a, path: x}\n  - {split: a, path: y}",
      /understood/,
    ],
  ])("a card with %s", (_, yaml, message) =>
    expect(() => readCard(card(yaml), "org/name")).toThrow(
      expect.objectContaining({ code: "data/bad-card", message: expect.stringMatching(message) }),
    ),
  );

  test("a card names classes in each of the ways of its history", () => {
    const names = (type: string) =>
      readCard(card(`dataset_info:\n  features:\n  - name: label\n    ${type}`), "x").classNames.get("");
    expect(
      names('dtype:\n      class_label:\n        names:\n          "0": no\n          "1": "yes"'),
    ).toEqual({
      label: ["no", "yes"],
    });
    expect(names("dtype: {class_label: {names: [a, b]}}")).toEqual({ label: ["a", "b"] });
    expect(names("sequence: {class_label: {names: [a, b]}}")).toEqual({ label: ["a", "b"] });
    expect(names("list: {dtype: {class_label: {names: {1: b, 0: a}}}}")).toEqual({ label: ["a", "b"] });
    expect(names("dtype: {class_label: {names: {1: b, 7: a}}}")).toEqual({});
    expect(names("dtype: string")).toEqual({});
    const several = readCard(
      card(
        "dataset_info:\n- config_name: one\n  features:\n  - name: __proto__\n    dtype: {class_label: {names: [a]}}\n- config_name: two",
      ),
      "x",
    );
    expect([...several.classNames.keys()]).toEqual(["one", "two"]);
    expect(Object.keys(several.classNames.get("one")!)).toEqual(["__proto__"]);
    expect(readCard("# no front matter", "x")).toEqual({ configs: [], classNames: new Map() });
  });

  test("a pattern of many stars takes no time", () => {
    const began = process.cpuUsage();
    expect(fitsGlob(`${"a".repeat(2000)}b`, `${"a*".repeat(300)}c`)).toBe(false);
    expect(fitsGlob(`${"a/".repeat(300)}b`, `${"**/".repeat(200)}c`)).toBe(false);
    // processor time in µs
    expect(process.cpuUsage(began).user).toBeLessThan(1_000_000);
  });
});
