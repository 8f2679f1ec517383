import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { zipSync } from "fflate";
import sharp from "sharp";
import { pack } from "tar-stream";
import { describe, expect, test } from "vitest";
import { locateData } from "../../src/app/opening/located-data.node.ts";
import { openImageFolder } from "../../src/data/image-folder.node.ts";
import { openTextRows } from "../../src/data/text/open-text-rows.node.ts";
import { newFolder } from "../new-folder.ts";
import { hub, mistakeOf, settingsFor } from "./workplace.ts";

const name = "some-org/data";
const at = `datasets/${name}`;
const read = { seed: 0, validationShare: 0 };
const reviews = "text,label\ngood film,1\nbad film,0\nfine book,1\npoor book,0\n";
const lines = '{"text":"good","label":1}\n{"text":"bad","label":0}\n';

const zip = (files: Readonly<Record<string, string | Uint8Array>>) =>
  zipSync(
    Object.fromEntries(
      Object.entries(files).map(([path, content]) => [
        path,
        typeof content === "string" ? new TextEncoder().encode(content) : content,
      ]),
    ),
  );

async function tar(files: Readonly<Record<string, string | Uint8Array>>): Promise<Buffer> {
  const archive = pack();
  for (const [path, content] of Object.entries(files)) archive.entry({ name: path }, Buffer.from(content));
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** A frame of Zstandard whose blocks are as they are: 255 bytes at most. */
const zstandard = (content: string) =>
  Buffer.from([
    0x28,
    0xb5,
    0x2f,
    0xfd,
    0x20,
    content.length,
    (content.length << 3) | 1,
    content.length >> 5,
    0,
    ...Buffer.from(content),
  ]);

const picture = await sharp({ create: { width: 4, height: 4, channels: 3, background: "red" } })
  .png()
  .toBuffer();

async function splitsOf(files: Readonly<Record<string, string | Uint8Array>>) {
  hub.addRepo(at, files);
  const notes: string[] = [];
  const { path } = await locateData(name, { settings: settingsFor(), onNote: (note) => notes.push(note) });
  const { splits } = await openTextRows(path, read);
  return { path, notes, train: splits.train, test: splits.test };
}

describe("archives of rows", () => {
  test("a split by its archive's name, in each form, once", async () => {
    for (const files of [
      {
        "train.zip": zip({ "reviews.csv": reviews }),
        "test.zip": zip({ "held.csv": "text,label\nfine,1\nbad,0\n" }),
      },
      {
        "data/train.tar.gz": gzipSync(await tar({ "a/b.jsonl": lines.repeat(2) })),
        "data/test.tar.gz": gzipSync(await tar({ "c.jsonl": lines })),
      },
      {
        "train-0.tar": await tar({ "x.csv": reviews }),
        "test.tar": await tar({ "x.csv": "text,label\nfine,1\nbad,0\n" }),
      },
    ]) {
      const { train, test: held } = await splitsOf(files);
      expect([train.length, held.length]).toEqual([4, 2]);
      expect(train[0]!.values.text).toMatch(/^good/);
    }
  });

  test("splits that lie in one archive, and several archives of one split", async () => {
    const one = await splitsOf({
      "all.zip": zip({ "all/train.csv": reviews, "all/test.csv": "text,label\nfine,1\nbad,0\n" }),
    });
    expect([one.train.length, one.test.length]).toEqual([4, 2]);
    const two = await splitsOf({
      "train-1.zip": zip({ "rows.csv": reviews }),
      "train-2.zip": zip({ "rows.csv": reviews.replaceAll("film", "play") }),
    });
    expect(two.train.map(({ values }) => values.text)).toEqual(
      expect.arrayContaining(["good film", "good play"]),
    );
    expect(two.train).toHaveLength(8);
  });

  test("files that Zstandard compressed", async () => {
    const { train } = await splitsOf({ "train.jsonl.zst": zstandard(lines) });
    expect(train.map(({ values }) => values.text)).toEqual(["good", "bad"]);
    hub.addRepo(at, { "train.jsonl.zst": zstandard(lines).subarray(0, 20) });
    const { path } = await locateData(name, { settings: settingsFor() });
    expect(await mistakeOf(openTextRows(path, read))).toMatchObject({
      code: "data/bad-text",
      message: expect.stringMatching(/not a whole Zstandard file/),
    });
    // 16 kB of which each 4 bytes stand for 128 kB
    const block = [((0x1ffff << 3) & 0xff) | 2, (0x1ffff >> 5) & 0xff, (0x1ffff >> 13) & 0xff, 0x61];
    const bomb = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, ...Array.from({ length: 4200 }, () => block).flat()];
    hub.addRepo(at, { "train.jsonl.zst": Buffer.from(bomb) });
    const large = await locateData(name, { settings: settingsFor() });
    expect(await mistakeOf(openTextRows(large.path, read))).toMatchObject({
      code: "data/bad-text",
      message: expect.stringMatching(/too large to be read at once/),
    });
  });

  test("tables go before archives; nothing that is read in them is told", async () => {
    const { train } = await splitsOf({
      "train.csv": reviews,
      "a.zip": zip({ "b.bin": "x" }),
      "c.zip": zip({ "d.bin": "x" }),
    });
    expect(train).toHaveLength(4);
    for (const [files, what] of [
      [{ "a.zip": zip({ "b.bin": "x", "c.7z": "x" }) }, /hold no data files that are read: 1 \.7z, 1 \.bin/],
      [{ "a.csv.bz2": "x", "b.csv.xz": "x" }, /no data files that are read: 1 \.bz2, 1 \.xz/],
      [
        { "a.tar": await tar({ "1.png": picture, "1.cls": "0", "2.png": picture, "2.cls": "1" }) },
        /WebDataset/,
      ],
    ] as const) {
      hub.addRepo(at, files);
      expect(await mistakeOf(locateData(name, { settings: settingsFor() }))).toMatchObject({
        code: "data/no-data-files",
        message: expect.stringMatching(what),
      });
    }
  });
});

test("pictures in folders of classes, from archives of splits and beside metadata", async () => {
  const classes = (top: string) =>
    zip({
      [`${top}/cat/1.png`]: picture,
      [`${top}/cat/2.png`]: picture,
      [`${top}/dog/1.png`]: picture,
      [`${top}/dog/2.png`]: picture,
    });
  hub.addRepo(at, { "train.zip": classes("pictures"), "test.zip": classes("test") });
  const settings = settingsFor();
  const { path } = await locateData(name, { settings });
  const opened = await openImageFolder(path, { seed: 0, validationShare: 0 });
  expect(opened.classes).toEqual(["cat", "dog"]);
  expect([opened.splits.train.length, opened.splits.test.length]).toEqual([4, 4]);
  // unpacked once
  expect(await locateData(name, { settings })).toEqual({ path, name: expect.any(String) });
  hub.addRepo(at, {
    "train/metadata.csv": "file_name,label\na/1.png,x\na/2.png,y\na/3.png,x\na/4.png,y\n",
    "train/pictures.zip": zip(Object.fromEntries([1, 2, 3, 4].map((i) => [`a/${i}.png`, picture]))),
  });
  const told = await locateData(name, { settings: settingsFor() });
  expect((await openImageFolder(told.path, { seed: 0, validationShare: 0 })).classes).toEqual(["x", "y"]);
});

describe("settings of a card's reader", () => {
  const card = (settings: string) =>
    `---\nconfigs:\n- config_name: default\n  data_files: "rows*"\n${settings.replace(/^/gm, "  ")}\n---\n`;
  test.each([
    ["a separator", "rows.csv", "text|label\na, b|x\nc|y\n", "sep: '|'", ["a, b", "c"], ["x", "y"]],
    [
      "names in the place of a header",
      "rows.csv",
      "a,x\nb,y\n",
      "names: [text, label]",
      ["a", "b"],
      ["x", "y"],
    ],
    [
      "names of a file with a header",
      "rows.csv",
      't,l\na,x\n"b\nb",y\n',
      "column_names: [text, label]\nheader: 0",
      ["a", "b\nb"],
      ["x", "y"],
    ],
    [
      "lines before the header, and columns",
      "rows.csv",
      "made by hand\nid,text,label\n1,a,x\n2,b,y\n",
      "skiprows: 1\nusecols: [label, text]",
      ["a", "b"],
      ["x", "y"],
    ],
    [
      "marks that are no quotation",
      "rows.tsv",
      'text\tlabel\n"a\tx\nb"\ty\n',
      'delimiter: "\\t"\nquoting: 3',
      ['"a', 'b"'],
      ["x", "y"],
    ],
    [
      "a key of JSON",
      "rows.json",
      '{"version":1,"data":[{"text":"a","label":"x"},{"text":"b","label":"y"}]}',
      "field: data",
      ["a", "b"],
      ["x", "y"],
    ],
  ] as const)("%s", async (_, file, content, settings, texts, labels) => {
    const { train, notes } = await splitsOf({ [file]: content, "README.md": card(settings) });
    expect(train.map(({ values }) => values.text)).toEqual(texts);
    expect(train.map(({ values }) => values.label)).toEqual(labels);
    expect(notes.join()).not.toMatch(/not followed/);
  });

  test("those that are not followed are told, with values that are not", async () => {
    const { notes } = await splitsOf({
      "rows.csv": reviews,
      "README.md": card("sep: ','\nthousands: '.'\nencoding: latin-1"),
    });
    expect(notes).toContain(
      'The card\'s settings "thousands", "encoding" of "default" are for Python\'s reader and not followed.',
    );
  });

  test("a file that is not what they say", async () => {
    hub.addRepo(at, { "rows.csv": "a,x\nb\n", "README.md": card("names: [text, label]") });
    expect(await mistakeOf(locateData(name, { settings: settingsFor() }))).toMatchObject({
      code: "data/bad-row",
      message: expect.stringMatching(/^rows\.csv cannot be read as the data set's card says: /),
    });
  });
});

test("an archive on this machine is to be unpacked first", async () => {
  const path = join(newFolder(), "reviews.zip");
  writeFileSync(path, zip({ "reviews.csv": reviews }));
  expect(await mistakeOf(openTextRows(path, read))).toMatchObject({
    code: "data/no-text",
    fix: expect.stringMatching(/^Unpack it/),
  });
});
