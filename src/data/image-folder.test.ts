import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DiapasonError } from "../base/errors.ts";
import type { ImageDataset } from "./dataset.ts";
import { type ImageFolderOptions, openImageFolder } from "./image-folder.node.ts";

let place: string;
beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), "diapason-folder-"));
});
afterAll(() => rm(place, { recursive: true }));

let made = 0;
/** A new folder with these files. Opening one does not decode, so an image is a file with any byte in it. */
async function folder(files: readonly string[], contents: Readonly<Record<string, string>> = {}) {
  const root = join(place, `${made++}`);
  await mkdir(root);
  for (const [name, text] of [...files.map((name) => [name, "x"] as const), ...Object.entries(contents)]) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), text);
  }
  return root;
}
const images = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${prefix}/${i}.png`);
const open = (root: string, options: Partial<ImageFolderOptions> = {}) =>
  openImageFolder(root, { seed: 1, validationShare: 0, ...options });
const ids = (dataset: ImageDataset, split: keyof ImageDataset["splits"] = "train") =>
  dataset.splits[split].map(({ id }) => id);
const labels = (dataset: ImageDataset, split: keyof ImageDataset["splits"] = "train") =>
  Object.fromEntries(dataset.splits[split].map(({ id, label }) => [id, dataset.classes[label]]));
const kinds = ({ findings }: ImageDataset) => findings.map(({ kind }) => kind);

/** Code, message and fix of what opening the folder throws, in one text. */
async function refusal(root: string, options: Partial<ImageFolderOptions> = {}): Promise<string> {
  const error = await open(root, options).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(DiapasonError);
  const { code, message, fix } = error as DiapasonError;
  return `${code}: ${message} ${fix}`;
}

describe("layouts", () => {
  test("class folders: classes sorted by name, ids relative with /", async () => {
    const data = await open(await folder(["dog/a.png", "cat/b.jpg", "cat/C.JPEG"]));
    expect(data.classes).toEqual(["cat", "dog"]);
    expect(labels(data)).toEqual({ "cat/C.JPEG": "cat", "cat/b.jpg": "cat", "dog/a.png": "dog" });
    expect(data.origin).toContain("class folders");
  });

  test("nested folders: the outermost one is the class", async () => {
    const data = await open(await folder(["cat/indoor/night/a.png", "cat/b.png", "dog/x/a.png"]));
    expect(labels(data)).toEqual({
      "cat/b.png": "cat",
      "cat/indoor/night/a.png": "cat",
      "dog/x/a.png": "dog",
    });
  });

  test("split folders, by any of their usual names", async () => {
    const data = await open(
      await folder(["training/a/1.png", "training/b/1.png", "val/a/2.png", "TEST/b/3.png"]),
      { validationShare: 0.5, testShare: 0.5 },
    );
    expect([ids(data), ids(data, "validation"), ids(data, "test")]).toEqual([
      ["training/a/1.png", "training/b/1.png"],
      ["val/a/2.png"],
      ["TEST/b/3.png"],
    ]);
    expect(data.origin).toBe("split folders");
  });

  test("a class may be called as properties of all objects are", async () => {
    const data = await open(await folder([...images("constructor", 2), ...images("valueof", 2)]));
    expect(data.classes).toEqual(["constructor", "valueof"]);
    expect(data.origin).toBe("class folders");
    const only = await folder([
      ...images("train/constructor", 2),
      ...images("train/b", 2),
      "constructor/1.png",
    ]);
    expect((await open(only)).classes).toEqual(["b", "constructor"]);
  });

  test("metadata.csv: quoted names, a byte order mark, further columns", async () => {
    const data = await open(
      await folder(["a, b.png", "sub/c.png"], {
        "metadata.csv": '\uFEFFfile_name,label,by\r\n"a, b.png",cat,me\r\nsub/c.png,dog,you\r\n',
      }),
    );
    expect(labels(data)).toEqual({ "a, b.png": "cat", "sub/c.png": "dog" });
  });

  test("metadata.csv whose lines end one way and then another", async () => {
    const data = await open(
      await folder(["a.png", "b.png"], { "metadata.csv": "file_name,label\na.png,cat\r\nb.png,dog\r\n" }),
    );
    expect(labels(data)).toEqual({ "a.png": "cat", "b.png": "dog" });
    const other = await folder(["a.png", "b.png"], {
      "metadata.csv": "file_name,label\r\na.png,cat\nb.png,dog\n",
    });
    expect(labels(await open(other))).toEqual({ "a.png": "cat", "b.png": "dog" });
  });

  test("metadata.jsonl, with numbers as labels and a named column", async () => {
    const root = await folder(["a.png", "b.png"], {
      "metadata.jsonl": '{"file_name":"a.png","grade":1,"x":0}\n\n{"file_name":"./b.png","grade":2,"x":0}\n',
    });
    expect(labels(await open(root, { labelColumn: "grade" }))).toEqual({ "a.png": "1", "b.png": "2" });
    expect(await refusal(root)).toMatch(/^data\/unknown-column: .*"label".*grade/);
  });

  test("metadata in each split folder", async () => {
    const rows = "file_name,kind\n1.png,p\n2.png,q\n";
    const data = await open(
      await folder(["train/1.png", "train/2.png", "test/1.png", "test/2.png"], {
        "train/metadata.csv": rows,
        "test/metadata.csv": rows,
      }),
    );
    expect(labels(data, "test")).toEqual({ "test/1.png": "p", "test/2.png": "q" });
    expect(ids(data)).toHaveLength(2);
  });

  test("names in any script", async () => {
    const data = await open(await folder(["кошка/дом 1.png", "犬/写真.jpg", "été/ß.webp"]));
    expect(data.classes).toEqual(["été", "кошка", "犬"]);
    expect(data.splits.train.map(({ path }) => path)).toContain(join(data.root, "犬/写真.jpg"));
  });
});

describe("splits", () => {
  const classes = ["a", "b", "c"] as const;
  const sizes = { a: 40, b: 20, c: 3 };
  const root = () => folder(classes.flatMap((name) => images(name, sizes[name])));

  test("take the same share of each class, at least one image, and share none", async () => {
    const data = await open(await root(), { validationShare: 0.1, testShare: 0.2 });
    const count = (split: "train" | "validation" | "test") =>
      classes.map((name) => ids(data, split).filter((id) => id.startsWith(`${name}/`)).length);
    expect([count("test"), count("validation"), count("train")]).toEqual([
      [8, 4, 1],
      [3, 2, 1],
      [29, 14, 1],
    ]);
    expect(new Set([...ids(data), ...ids(data, "validation"), ...ids(data, "test")]).size).toBe(63);
  });

  test("depend on the seed, and on nothing else", async () => {
    const [one, two] = [await root(), await root()];
    const held = async (root: string, seed: number) =>
      ids(await open(root, { seed, validationShare: 0.2 }), "validation");
    expect(await held(one, 1)).toEqual(await held(two, 1));
    expect(await held(one, 1)).not.toEqual(await held(one, 2));
  });

  test("a limit keeps as many of each class, and a higher one keeps those too", async () => {
    const here = await root();
    const few = ids(await open(here, { limitPerClass: 5 }));
    const more = ids(await open(here, { limitPerClass: 10 }));
    expect(few).toHaveLength(5 + 5 + 3);
    expect(more).toEqual(expect.arrayContaining(few));
  });

  test("the classes of a model keep their order; one without images is said", async () => {
    const data = await open(await folder(["b/1.png", "a/1.png"]), { classes: ["z", "b", "a"] });
    expect(data.splits.train.map(({ label }) => label)).toEqual([2, 1]);
    expect(data.findings.find(({ kind }) => kind === "absent-classes")?.message).toContain("z");
  });
});

describe("what is said", () => {
  test("hidden files are no files; other files, empty folders and images without a label are named", async () => {
    const root = await folder([
      "a/1.png",
      "b/1.png",
      "a/.hidden.png",
      ".git/x.png",
      "a/notes.txt",
      "stray.png",
    ]);
    await mkdir(join(root, "c"));
    const data = await open(root);
    expect(ids(data)).toEqual(["a/1.png", "b/1.png"]);
    const text = data.findings.map(({ message }) => message).join("\n");
    expect(text).toContain("a/notes.txt");
    expect(text).toContain("stray.png");
    expect(kinds(data)).toEqual(
      expect.arrayContaining(["unlabelled-images", "skipped-files", "empty-folders"]),
    );
    expect(text).not.toContain("hidden");
  });

  test("tiny and unbalanced classes", async () => {
    const data = await open(await folder([...images("a", 20), ...images("b", 2)]));
    expect(kinds(data)).toEqual(["tiny-classes", "class-balance"]);
    expect(kinds(await open(await folder([...images("a", 9), ...images("b", 9)])))).toEqual([]);
  });

  test("one image of a class is enough where nothing is split, and is said", async () => {
    const data = await open(await folder(["a/1.png", ...images("b", 2)]));
    expect(data.findings[0]!.message).toContain("a: 1");
  });
});

/** Files of a folder that cannot be opened, the contents of its metadata, and what the error says. */
const refused: Readonly<
  Record<string, readonly [readonly string[], Record<string, string>, RegExp, Partial<ImageFolderOptions>?]>
> = {
  "an image of 0 bytes": [["a/1.png", "b/1.png"], { "b/0.png": "" }, /^data\/empty-file: .*b\/0\.png/],
  "a class of one image, to be split": [
    ["a/1.png", ...images("b", 4)],
    {},
    /^data\/class-too-small: .*"a".*a\/1\.png/,
    { validationShare: 0.1 },
  ],
  "a label only in test": [
    ["train/cat/1.png", "train/dog/1.png", "test/cats/1.png"],
    {},
    /^data\/unknown-label: The test images .*training never saw.*"cats" \(1 file\).*"cat" is meant/,
  ],
  "a label that the model lacks": [
    ["a/1.png", "b/1.png"],
    {},
    /^data\/unknown-label: .*the model does not have: "b"/,
    { classes: ["a", "c"] },
  ],
  "no files": [[], {}, /^data\/no-images: .*it is empty/],
  "no images": [["a/1.txt"], {}, /^data\/no-images: .*1 \.txt \(.*a\/1\.txt/],
  "images without class folders": [["1.png", "2.png"], {}, /^data\/no-labels: /],
  "one class": [images("a", 3), {}, /^data\/single-class: .*"a"/],
  "the folder above the class folders": [
    ["data/cat/1.png", "data/dog/1.png"],
    {},
    /^data\/single-class: .*Did you mean the folder ".*data"/,
  ],
  "nothing to train on": [["test/a/1.png", "test/b/1.png"], {}, /^data\/no-training-images: .*test/],
  "two folders for one split": [
    ["train/a/1.png", "val/a/1.png", "valid/a/1.png"],
    {},
    /^data\/ambiguous-split: .*"val" and "valid"/,
  ],
  "two metadata files": [
    ["1.png"],
    { "metadata.csv": "file_name,label\n1.png,a\n", "metadata.jsonl": "{}" },
    /^data\/ambiguous-split: /,
  ],
  "metadata that names a missing file": [
    ["1.png"],
    { "metadata.csv": "file_name,label\n1.png,a\n2.png,b\n" },
    /^data\/missing-file: .*"2\.png" \(line 3\)/,
  ],
  "metadata that names a file twice": [
    ["1.png"],
    { "metadata.csv": "file_name,label\n1.png,a\n./1.png,b\n" },
    /^data\/duplicate-file: .*"1\.png" on line 2 and again on line 3/,
  ],
  "metadata that leaves the folder": [
    ["1.png"],
    { "metadata.csv": "file_name,label\n../1.png,a\n" },
    /^data\/outside-folder: .*line 2.*\.\.\/1\.png/,
  ],
  "metadata without file names": [
    ["1.png"],
    { "metadata.csv": "filename,label\n1.png,a\n" },
    /^data\/unknown-column: .*"file_name".*Did you mean "filename"/,
  ],
  "metadata without a label": [
    ["1.png"],
    { "metadata.csv": "file_name,label\n1.png,\n" },
    /^data\/bad-metadata: .*line 2.*no label/,
  ],
  "metadata that is no JSON": [
    ["1.png"],
    { "metadata.jsonl": '{"file_name":"1.png","label":"a"}\nnope\n' },
    /^data\/bad-metadata: .*line 2 is not JSON/,
  ],
  "a share of 1": [images("a", 3), {}, /^data\/bad-option: validationShare is 1/, { validationShare: 1 }],
};

describe("what is refused", () => {
  test.each(Object.entries(refused))("%s", async (_, [files, contents, expected, options]) => {
    expect(await refusal(await folder(files, contents), options)).toMatch(expected);
  });

  test("no such folder, and a file", async () => {
    const root = await folder(["a/1.png"]);
    expect(await refusal(join(root, "nowhere"))).toMatch(/^data\/not-found: .*nowhere/);
    expect(await refusal(join(root, "a/1.png"))).toMatch(/^data\/not-found: .*1\.png/);
  });
});
