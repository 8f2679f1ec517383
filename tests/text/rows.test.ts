import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import { describe, expect, test } from "vitest";
import { openTextRows, openTextSet } from "../../src/data/text/open-text-rows.node.ts";
import type { TextSplitOptions } from "../../src/data/text/text-dataset.ts";
import { textShapes } from "../../src/data/text/text-shapes.ts";
import { assets, haveAssets } from "../assets.ts";
import { newFolder } from "../new-folder.ts";

/** A folder with these files. */
function folder(files: Readonly<Record<string, string | Uint8Array>>): string {
  const root = newFolder();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
  return root;
}

const file = (name: string, content: string | Uint8Array): string => join(folder({ [name]: content }), name);
const lines = (...rows: readonly unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");
const options = { seed: 1, validationShare: 0 };
const open = (path: string, more: Partial<TextSplitOptions> = {}) =>
  openTextRows(path, { ...options, ...more });
const first = async (name: string, content: string | Uint8Array, more: Partial<TextSplitOptions> = {}) => {
  const { shape, columns, splits } = await open(file(name, content), more);
  return { shape, columns, values: splits.train[0]!.values };
};

describe("shapes", () => {
  const chat = [
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Hello" },
  ];
  test.each([
    [{ text: "a", label: "x" }, "text-label", { text: "a", label: "x" }],
    [{ medical_abstract: "a", condition_label: 2 }, "text-label", { text: "a", label: "2" }],
    [{ Review: "a", Sentiment: "good", id: 3 }, "text-label", { text: "a", label: "good" }],
    [{ premise: "a", hypothesis: "b", label: 1 }, "pair-label", { text: "a", pair: "b", label: "1" }],
    [{ sentence1: "a", sentence2: "b", score: "2.5" }, "pair-score", { text: "a", pair: "b", score: 2.5 }],
    [{ question: "a", answer: "b" }, "pair", { text: "a", pair: "b" }],
    [
      { tokens: ["a", "b"], ner_tags: ["O", "B-X"] },
      "tokens-tags",
      { tokens: ["a", "b"], tags: ["O", "B-X"] },
    ],
    [{ messages: chat }, "messages", { messages: chat }],
    [
      {
        conversations: [
          { from: "human", value: "Hi" },
          { from: "gpt", value: "Hello" },
        ],
      },
      "messages",
      { messages: chat },
    ],
    [{ prompt: "a", completion: "b" }, "prompt-completion", { prompt: "a", completion: "b" }],
    [{ prompt: chat.slice(0, 1), completion: chat.slice(1) }, "prompt-completion", {}],
    [{ prompt: "a", chosen: "b", rejected: "c" }, "preference", { prompt: "a", chosen: "b", rejected: "c" }],
    [
      { chosen: chat, rejected: [chat[0], { role: "assistant", content: "Go" }] },
      "preference",
      { prompt: [chat[0]], chosen: [chat[1]], rejected: [{ role: "assistant", content: "Go" }] },
    ],
    [
      { chosen: "Q: one A: yes", rejected: "Q: one A: no" },
      "preference",
      { prompt: "Q: one A:", chosen: " yes", rejected: " no" },
    ],
    [{ anchor: "a", positive: "b", negative: "c" }, "triplet", { anchor: "a", positive: "b", negative: "c" }],
    [{ query: "a", positive: "b" }, "triplet", { anchor: "a", positive: "b" }],
    [{ content: "a" }, "text", { text: "a" }],
  ])("%j", async (row, shape, values) => {
    const found = await first("rows.jsonl", lines(row));
    expect(found.shape).toBe(shape);
    expect(found.values).toMatchObject(values);
  });

  test("a prompt that whole conversations begin with is read once", async () => {
    const [user, good, bad] = [
      { role: "user", content: "q" },
      { role: "assistant", content: "good" },
      { role: "assistant", content: "bad" },
    ];
    const wanted = { prompt: [user], chosen: [good], rejected: [bad] };
    for (const row of [
      { prompt: "q", chosen: [user, good], rejected: [user, bad], score_chosen: 8 },
      { prompt: [user], chosen: [user, good], rejected: [user, bad] },
      { prompt: [user], chosen: [good], rejected: [bad] },
      { chosen: [user, good], rejected: [user, bad] },
    ])
      expect((await first("a.jsonl", lines(row))).values).toEqual(wanted);
    const apart = { prompt: "q", chosen: [good], rejected: [bad] };
    expect((await first("a.jsonl", lines(apart))).values).toEqual(apart);
  });

  test("turns keep what templates read of them; a conversation has its tools and its system column", async () => {
    const call = { type: "function", function: { name: "f", arguments: { a: 1 } } };
    const row = {
      messages: [
        { role: "user", content: "q", name: null },
        { role: "assistant", tool_calls: [call], thinking: "hm" },
        { role: "tool", name: "f", content: "2" },
      ],
      tools: JSON.stringify([{ name: "f" }]),
      chat_template_kwargs: { enable_thinking: false },
    };
    const turn = {
      role: "assistant",
      tool_calls: [call],
      thinking: "hm",
      reasoning_content: "hm",
      content: "",
    };
    expect((await first("a.jsonl", lines(row))).values).toEqual({
      messages: [
        { role: "user", content: "q" },
        { role: "assistant", content: "", fields: turn },
        { role: "tool", content: "2", fields: { role: "tool", name: "f", content: "2" } },
      ],
      variables: { tools: [{ name: "f" }], enable_thinking: false },
    });
    const shared = { conversations: [{ from: "human", value: "Hi" }], system: "Be brief." };
    expect((await first("a.jsonl", lines(shared))).values).toEqual({
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "Hi" },
      ],
    });
  });

  test("Alpaca's rows are a prompt and a completion, and a conversation", async () => {
    const { shape, values } = await first(
      "alpaca.json",
      JSON.stringify([{ instruction: "Add.", input: "1 2", output: "3" }]),
    );
    expect(shape).toBe("prompt-completion");
    expect(values.prompt).toMatch(/### Instruction:\nAdd\.\n\n### Input:\n1 2\n\n### Response:$/);
    expect(values.completion).toBe("3");
    expect(values.messages).toEqual([
      { role: "user", content: "Add.\n\n1 2" },
      { role: "assistant", content: "3" },
    ]);
  });

  test("every shape has as many lists of names as columns", () => {
    for (const { columns, names } of textShapes) expect(names.length).toBe(columns.length);
  });

  test("columns are named by options where detection is to be overruled", async () => {
    const csv = "id,headline,body,mood,text\n1,a,b,good,zzz\n";
    expect((await first("a.csv", csv, { textColumn: "headline", labelColumn: "mood" })).values).toEqual({
      text: "a",
      label: "good",
    });
    expect(
      (await first("a.csv", csv, { textColumn: "headline", pairColumn: "body", labelColumn: "mood" })).values,
    ).toEqual({ text: "a", pair: "b", label: "good" });
    await expect(open(file("a.csv", csv), { textColumn: "headlin" })).rejects.toMatchObject({
      code: "data/unknown-column",
      fix: 'Did you mean "headline"?',
    });
  });
});

describe("labels", () => {
  test("lists are several classes, fractions numbers, all else one class; numbers sort as numbers", async () => {
    const several = await open(
      file("a.jsonl", lines({ text: "a", labels: ["x", "y"] }, { text: "b", labels: [] })),
    );
    expect([several.labels, several.classes]).toEqual(["classes", ["x", "y"]]);
    const number = await open(file("a.csv", "text,label\na,1\nb,2.5\n"));
    expect([number.labels, number.classes, number.splits.train[1]!.values.label]).toEqual([
      "number",
      [],
      2.5,
    ]);
    const classes = await open(file("a.csv", "text,label\na,10\nb,9\nc,10\n"));
    expect([classes.labels, classes.classes]).toEqual(["class", ["9", "10"]]);
  });

  test("several columns of 0 and 1 are a class each, a field may hold several classes", async () => {
    const csv = "text,toxic,rude\na,1,0\nb,1,1\nc,0,0\n";
    const columns = await open(file("a.csv", csv), { labelColumn: ["toxic", "rude"] });
    expect(columns.splits.train.map(({ values }) => values.label)).toEqual([
      ["toxic"],
      ["toxic", "rude"],
      [],
    ]);
    const fields = await open(file("a.csv", "text,label\na,x|y\nb,y\n"), { labels: "classes" });
    expect(fields.splits.train.map(({ values }) => values.label)).toEqual([["x", "y"], ["y"]]);
    await expect(
      open(file("a.csv", "text,toxic,rude\na,1,7\n"), { labelColumn: ["toxic", "rude"] }),
    ).rejects.toMatchObject({
      code: "data/wrong-field",
      message: expect.stringMatching(/^a\.csv:2: "rude" holds "7"/),
    });
  });

  test("a 0 or 1 for every class: lists of one length, also of booleans, and objects; classes no row has stay", async () => {
    const labels = async (...all: readonly unknown[]) => {
      const { labels, classes, splits } = await open(
        file("a.jsonl", lines(...all.map((label, i) => ({ text: `text ${i}`, labels: label })))),
      );
      return { labels, classes, told: splits.train.map(({ values }) => values.label) };
    };
    const all = { labels: "classes", classes: ["0", "1", "2"] };
    expect(await labels([1, 0, 0], [0, 0, 0], [1, 1, 0])).toEqual({ ...all, told: [["0"], [], ["0", "1"]] });
    expect(await labels([true, false, false], [false, false, false])).toEqual({ ...all, told: [["0"], []] });
    expect(await labels([1, 0], [0, 1])).toMatchObject({ classes: ["0", "1"], told: [["0"], ["1"]] });
    expect(await labels({ rude: 1, toxic: false }, { rude: 0, toxic: true })).toEqual({
      labels: "classes",
      classes: ["rude", "toxic"],
      told: [["rude"], ["toxic"]],
    });
    // Numbers of classes, which may be 0 and 1 too.
    expect(await labels([0, 1], [1], [])).toMatchObject({ told: [["0", "1"], ["1"], []] });
    expect(await labels([0, 1], [0, 1])).toMatchObject({
      told: [
        ["0", "1"],
        ["0", "1"],
      ],
    });
  });

  test("lists in fields of CSV files: as JSON, and as Python and NumPy write them", async () => {
    const told = async (...all: readonly string[]) => {
      const quoted = all.map((label, i) => `text ${i},"${label.replaceAll('"', '""')}"\n`);
      const { labels, splits } = await open(file("a.csv", `text,label\n${quoted.join("")}`));
      return [labels, ...splits.train.map(({ values }) => values.label)];
    };
    const wanted = ["classes", ["a", "b c"], ["a"], []];
    expect(await told('["a", "b c"]', '["a"]', "[]")).toEqual(wanted);
    expect(await told("['a', 'b c']", "['a']", "[]")).toEqual(wanted);
    expect(await told("['a' 'b c']", "['a']", "[]")).toEqual(wanted);
    expect(await told(`["it's", 'b']`, "['a\\'s']", "[]")).toEqual(["classes", ["it's", "b"], ["a's"], []]);
    const { values } = await first("b.csv", "tokens,ner_tags\n\"['EU', 'rejects']\",\"['B-ORG', 'O']\"\n");
    expect(values).toEqual({ tokens: ["EU", "rejects"], tags: ["B-ORG", "O"] });
  });

  test("Parquet says what numbers stand for", async () => {
    const features = { label: { names: ["bad", "good"], _type: "ClassLabel" } };
    const made = parquetWriteBuffer({
      columnData: [
        { name: "text", data: ["a", "b"] },
        { name: "label", data: [1n, 0n], type: "INT64" },
      ],
      kvMetadata: [{ key: "huggingface", value: JSON.stringify({ info: { features } }) }],
    });
    const { classes, splits, format } = await open(file("a.parquet", new Uint8Array(made)));
    expect([classes, splits.train.map(({ values }) => values.label)]).toEqual([
      ["bad", "good"],
      ["good", "bad"],
    ]);
    expect(format).toBe("Parquet: text and label");
  });

  test("a test split whose labels are kept back proves nothing, and is left out", async () => {
    const train = "text,label\na,0\nb,1\n";
    for (const test of ["text,label\nc,-1\nd,-1\n", "text\nc\nd\n"]) {
      const { splits, findings, classes } = await open(folder({ "train.csv": train, "test.csv": test }));
      expect([splits.train.length, splits.test, classes]).toEqual([2, [], ["0", "1"]]);
      expect(findings.map(({ message }) => message)).toContain(
        "The test rows have no labels (missing or −1 in every one), and are left out.",
      );
    }
    await expect(
      open(folder({ "train.csv": train, "test.csv": "text,label\nc,1\nd,\n" })),
    ).rejects.toMatchObject({ code: "data/missing-field", message: expect.stringMatching(/^test\.csv:3: /) });
  });

  test("the caller's classes decide numbers, and other labels are refused", async () => {
    const path = file("a.csv", "text,label\na,x\nb,y\n");
    expect((await open(path, { classes: ["y", "x", "z"] })).classes).toEqual(["y", "x", "z"]);
    await expect(open(path, { classes: ["y", "z"] })).rejects.toMatchObject({
      code: "data/unknown-label",
      message: expect.stringMatching(/^a\.csv:2: the label "x"/),
    });
  });
});

describe("labels that are the places of given classes", () => {
  const classes = ["negative", "positive"];

  test("are their names, and that is said", async () => {
    const { splits, findings } = await open(file("a.csv", "text,label\na,1\nb,0\n"), { classes });
    expect(splits.train.map(({ values }) => values.label)).toEqual(["positive", "negative"]);
    expect(findings.map(({ message }) => message)).toContain(
      "Labels are numbers, taken as the places of the given classes: 0 negative, 1 positive.",
    );
    const several = await open(file("b.csv", "text,label\na,1|0\nb,0\n"), { classes, labels: "classes" });
    expect(several.splits.train.map(({ values }) => values.label)).toEqual([
      ["positive", "negative"],
      ["negative"],
    ]);
  });

  test("are not where a class is called by a number, or a number is no place", async () => {
    const stars = await open(file("a.csv", "text,label\na,1\nb,2\n"), { classes: ["2", "1"] });
    expect(stars.splits.train.map(({ values }) => values.label)).toEqual(["1", "2"]);
    await expect(open(file("b.csv", "text,label\na,1\nb,2\n"), { classes })).rejects.toMatchObject({
      code: "data/unknown-label",
      message: expect.stringMatching(/^b\.csv:2: the label "1"/),
    });
  });
});

describe("files", () => {
  test("CSV with commas, semicolons, quotes and line breaks in fields; the line is the one a row starts on", async () => {
    const csv = '\uFEFFtext;label\n"a;b\nc";x\n\n"d ""e""";y\n';
    const { splits } = await open(file("a.csv", csv));
    expect(splits.train.map(({ values, line }) => [line, values.text])).toEqual([
      [2, "a;b\nc"],
      [5, 'd "e"'],
    ]);
  });

  test("CSV whose lines end one way and then another, as where rows were put behind Excel's", async () => {
    for (const csv of ['text,label\na,x\r\n"b c","y"\r\n', 'text,label\r\na,x\n"b c","y"\n']) {
      const { splits, classes } = await open(file("a.csv", csv));
      expect(splits.train.map(({ line, values }) => [line, values.text])).toEqual([
        [2, "a"],
        [3, "b c"],
      ]);
      expect(classes).toEqual(["x", "y"]);
    }
    const windows = await open(file("a.csv", 'text,label\r\n"a\r\nb",x\r\nc,y\r\n'));
    expect(windows.splits.train.map(({ line }) => line)).toEqual([2, 4]);
    const old = await open(file("a.csv", "text,label\ra,x\rb,y\r"));
    expect(old.splits.train.map(({ values }) => values.text)).toEqual(["a", "b"]);
  });

  test("TSV whose quotation marks are text", async () => {
    const tsv = 'sentence\tlabel\n"Oh" he said\t1\n"so it goes\t0\n';
    expect((await open(file("a.tsv", tsv))).splits.train.map(({ values }) => values.text)).toEqual([
      '"Oh" he said',
      '"so it goes',
    ]);
  });

  test("JSON lists with the lines their rows start on, compressed files", async () => {
    const json = '[\n {"text": "a [", "label": "x"},\n\n {\n  "text": "b", "label": "y"}]';
    const { splits } = await open(file("a.json", json));
    expect(splits.train.map(({ id }) => id)).toEqual(["a.json:2", "a.json:4"]);
    const oneLine = await open(file("a.json", '[{"text": "a"}, {"text": "b"}, {"text": "c"}]'));
    expect(oneLine.splits.train.map(({ id }) => id)).toEqual([
      "a.json:1",
      "a.json:1 row 2",
      "a.json:1 row 3",
    ]);
    const zipped = await open(file("a.jsonl.gz", gzipSync(lines({ text: "a" }, { text: "b" }))));
    expect(zipped.splits.train.length).toBe(2);
  });

  test("CoNLL, also where the file is called .txt", async () => {
    const conll = "-DOCSTART- -X- O O\n\nEU NNP I-NP B-ORG\nrejects VBZ I-VP O\n\nPeter NNP I-NP B-PER\n";
    const { shape, splits, classes } = await open(file("train.txt", conll));
    expect([shape, classes]).toEqual(["tokens-tags", ["O", "B-ORG", "B-PER"]]);
    expect(splits.train.map(({ values, line }) => [line, values.tokens])).toEqual([
      [3, ["EU", "rejects"]],
      [6, ["Peter"]],
    ]);
  });

  test("plain text by document, paragraph and line", async () => {
    const path = file("book.txt", "one\ntwo\n\nthree\n");
    const texts = async (sampleBy: "document" | "paragraph" | "line") =>
      (await open(path, { sampleBy })).splits.train.map(({ values, line }) => [line, values.text]);
    expect(await texts("document")).toEqual([[1, "one\ntwo\n\nthree\n"]]);
    expect(await texts("paragraph")).toEqual([
      [1, "one\ntwo"],
      [4, "three"],
    ]);
    expect(await texts("line")).toEqual([
      [1, "one"],
      [2, "two"],
      [4, "three"],
    ]);
  });

  test.each([
    [["train.csv", "dev.csv", "test.csv"]],
    [["reviews-train.csv", "reviews_val.csv", "Test.csv"]],
    [["train/part.csv", "validation/part.csv", "test/part.csv"]],
    [["data/train-00000-of-00001.csv", "data/validation-00000-of-00001.csv", "data/test-00000-of-00001.csv"]],
  ])("splits named %j", async (names) => {
    const content = (text: string) => `text,label\n${text},x\n${text} too,y\n`;
    const root = folder({
      [names[0]!]: content("a"),
      [names[1]!]: content("b"),
      [names[2]!]: content("c"),
      "README.md": "x",
    });
    const { splits, root: opened } = await open(root, { validationShare: 0.5 });
    expect(opened).toBe(root);
    expect(Object.values(splits).map((rows) => rows[0]!.values.text)).toEqual(["a", "b", "c"]);
  });

  test("numbered parts are one split; others are ambiguous", async () => {
    const csv = (text: string) => `text\n${text}\n`;
    const parts = await open(folder({ "train-1.csv": csv("a"), "train-2.csv": csv("b") }));
    expect(parts.splits.train.map(({ id }) => id)).toEqual(["train-1.csv:2", "train-2.csv:2"]);
    for (const files of [
      { "train.csv": csv("a"), "train_old.csv": csv("b") },
      { "train.csv": csv("a"), "train.jsonl": "{}" },
      { "a.csv": csv("a"), "b.csv": csv("b") },
    ])
      await expect(open(folder(files))).rejects.toMatchObject({ code: "data/ambiguous-split" });
  });
});

describe("splits", () => {
  const csv = `text,label\n${Array.from({ length: 40 }, (_, i) => `text ${i},${i % 4 === 0 ? "rare" : "often"}`).join("\n")}\n`;

  test("are seeded and hold out the same share of each class", async () => {
    const path = file("a.csv", csv);
    const held = async (seed: number) =>
      (await openTextRows(path, { seed, validationShare: 0.2 })).splits.validation.map(({ id }) => id);
    const { splits, origin } = await openTextRows(path, { seed: 1, validationShare: 0.2 });
    expect(splits.validation.map(({ values }) => values.label).sort()).toEqual([
      ...Array(6).fill("often"),
      ...Array(2).fill("rare"),
    ]);
    expect(splits.train.length).toBe(32);
    expect(origin).toBe("a.csv; validation: seeded stratified split of train (20 %)");
    expect(await held(1)).toEqual(await held(1));
    expect(await held(1)).not.toEqual(await held(2));
  });

  test("a limit takes rows by the seed, and a higher one keeps them", async () => {
    const ids = async (limit: number) =>
      (await open(file("a.csv", csv), { limit })).splits.train.map(({ id }) => id);
    const [few, more] = [await ids(5), await ids(20)];
    expect([few.length, more.length]).toEqual([5, 20]);
    expect(more).toEqual(expect.arrayContaining(few));
  });

  test("of a document its end is held out, at a line", async () => {
    const text = Array.from({ length: 100 }, (_, i) => `line ${i}`).join("\n");
    const { splits } = await openTextRows(file("a.txt", text), { seed: 0, validationShare: 0.1 });
    const [train, validation] = [splits.train[0]!, splits.validation[0]!];
    expect(train.values.text! + validation.values.text!).toBe(text);
    expect(validation.values.text).toMatch(/^line 9\d\n/);
    expect(validation.id).toBe(`a.txt:${validation.line}`);
    expect(text.split("\n")[validation.line - 1]).toBe(validation.values.text!.split("\n")[0]);
  });
});

describe("bad input is one error with file and line", () => {
  test.each([
    [
      "a missing field",
      "a.jsonl",
      lines({ text: "a", label: "x" }, { text: "b" }),
      "data/missing-field",
      /^a\.jsonl:2: /,
    ],
    [
      "a missing label",
      "a.csv",
      "text,label\na,x\nb,\nc,\n",
      "data/missing-field",
      /^a\.csv:3: .* 1 more rows.*lines 4/,
    ],
    [
      "a wrong type",
      "a.jsonl",
      lines({ text: "a" }, { text: { b: 1 } }),
      "data/wrong-field",
      /^a\.jsonl:2: "text" holds an object/,
    ],
    ["a label of spaces", "a.csv", "text,label\na,x\nb,  \n", "data/missing-field", /^a\.csv:3: /],
    ["an empty text", "a.csv", "text,label\na,x\n   ,y\n", "data/empty-text", /^a\.csv:3: "text" is empty/],
    [
      "Latin-1",
      "a.csv",
      Buffer.from("text,label\na,x\ncaf\xe9,y\n", "latin1"),
      "data/bad-text",
      /^a\.csv:3: byte 18 \(0xe9\), after "caf"/,
    ],
    ["UTF-16", "a.csv", Buffer.from("\uFEFFtext,label\n", "utf16le"), "data/bad-text", /UTF-16/],
    ["a row with more fields", "a.csv", "text,label\na,x\nb,y,z\n", "data/bad-row", /^a\.csv:3: /],
    ["a quote without end", "a.csv", 'text,label\na,x\n"b,y\nc,z\n', "data/bad-row", /^a\.csv:\d+: /],
    ["JSON that breaks", "a.jsonl", '{"text": "a"}\n{"text": \n', "data/bad-row", /^a\.jsonl:2: /],
    [
      "a JSON list that breaks",
      "a.json",
      '[{"text": "a"},\n{"text": "b",}\n]',
      "data/bad-row",
      /^a\.json:2: /,
    ],
    [
      "a row that is no object",
      "a.jsonl",
      '{"text": "a"}\n[1]\n',
      "data/bad-row",
      /^a\.jsonl:2: this is a list/,
    ],
    ["Parquet that is none", "a.parquet", "PAR1 no", "data/bad-row", /Parquet/],
    [
      "a column twice",
      "a.csv",
      "text,label,text\na,x,b\n",
      "data/duplicate-column",
      /^a\.csv:1: two columns are called "text"/,
    ],
    ["unknown columns", "a.csv", "foo,bar\na,x\n", "data/unknown-shape", /"foo", "bar"/],
    [
      "two shapes",
      "a.jsonl",
      lines({ text: "a" }, { prompt: "b", completion: "c" }),
      "data/mixed-shapes",
      /^a\.jsonl:2: this row is of the shape "prompts and completions"/,
    ],
    [
      "tags that are too few",
      "a.jsonl",
      lines({ tokens: ["a", "b"], ner_tags: ["O"] }),
      "data/wrong-field",
      /^a\.jsonl:1: there are 2 tokens and 1 tags/,
    ],
    [
      "a number that is none",
      "a.csv",
      "text,label\na,0.5\nb,NaN\nc,1\n",
      "data/wrong-field",
      /^a\.csv:3: "label" holds the text "NaN"; expected a number/,
    ],
    [
      "JSON as Python writes it",
      "a.jsonl",
      '{"text": "a", "label": 0.5}\n{"text": "b", "label": NaN}\n',
      "data/bad-row",
      /^a\.jsonl:2: this is not JSON: it has NaN/,
    ],
    ["a word without a tag", "a.conll", "EU B-ORG\nrejects\n", "data/bad-row", /^a\.conll:2: /],
    [
      "a turn without text",
      "a.jsonl",
      lines({ messages: [{ role: "user" }] }),
      "data/bad-messages",
      /^a\.jsonl:1: turn 1 of "messages"/,
    ],
    [
      "a turn whose text has another name",
      "a.jsonl",
      lines({ messages: [{ role: "user", text: "x" }] }),
      "data/bad-messages",
      /^a\.jsonl:1: turn 1 of "messages" has no text in "content"/,
    ],
    [
      "a speaker that is unknown",
      "a.jsonl",
      lines({ conversations: [{ from: "martian", value: "x" }] }),
      "data/bad-messages",
      /"martian"/,
    ],
    ["no rows", "a.csv", "text,label\n", "data/no-text", /no rows/],
    ["another kind of file", "a.pdf", "x", "data/no-text", /a\.pdf/],
    [
      "answers that are alike",
      "a.jsonl",
      lines({ chosen: "a b", rejected: "a b" }),
      "data/wrong-field",
      /^a\.jsonl:1: /,
    ],
  ])("%s", async (_, name, content, code, message) => {
    await expect(open(file(name, content))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  test("a class with one row cannot be split", async () => {
    await expect(
      open(file("a.csv", "text,label\na,x\nb,x\nc,y\n"), { validationShare: 0.3 }),
    ).rejects.toMatchObject({
      code: "data/class-too-small",
      message: expect.stringContaining('one row ("a.csv:4")'),
    });
  });

  test("a label in test that training never has", async () => {
    const root = folder({ "train.csv": "text,label\na,x\nb,y\n", "test.csv": "text,label\nc,x\nd,yy\n" });
    await expect(open(root)).rejects.toMatchObject({
      code: "data/unknown-label",
      message: expect.stringMatching(/^test\.csv:3: the label "yy"/),
    });
  });

  test("nothing to train on, nothing there, options that cannot be", async () => {
    await expect(open(folder({ "test.csv": "text\na\n" }))).rejects.toMatchObject({ code: "data/no-text" });
    await expect(open(folder({ "a.jpg": "x" }))).rejects.toMatchObject({ code: "data/no-text" });
    await expect(open("/nowhere/at/all")).rejects.toMatchObject({ code: "data/not-found" });
    await expect(open(file("a.csv", "text\na\n"), { validationShare: 1 })).rejects.toMatchObject({
      code: "data/bad-option",
    });
  });
});

describe("findings", () => {
  test("empty rows, duplicates, contradictions, leakage, balance", async () => {
    const train = `text,label\n,\n${"a,x\nA,x\na,y\n"}${Array.from({ length: 20 }, (_, i) => `t${i},x`).join("\n")}\n`;
    const root = folder({ "train.csv": train, "test.csv": "text,label\nt3,x\nnew,y\n" });
    const { findings, splits } = await open(root);
    expect(splits.train.length).toBe(23);
    const said = Object.fromEntries(findings.map(({ kind, message }) => [kind, message]));
    expect(said["empty-rows"]).toBe("train.csv: 1 empty rows are left out (lines 2).");
    expect(said["duplicates"]).toMatch(
      /^2 of 23 training rows are duplicates \(train\.csv:4 is train\.csv:3\)/,
    );
    expect(said["contradictions"]).toMatch(/train\.csv:5 and train\.csv:3/);
    expect(said["leakage"]).toMatch(
      /^1 of 2 test rows are among the training rows too \(test\.csv:2 is train\.csv:9\)/,
    );
    expect(said["class-balance"]).toMatch(/"x" 95\.7 %, "y" 4\.3 %/);
  });

  test("tags that are numbers without names are said to be", async () => {
    const found = async (tags: readonly unknown[]) =>
      (await open(file("a.jsonl", lines({ tokens: ["a", "b"], ner_tags: tags })))).findings.map(
        ({ kind }) => kind,
      );
    expect(await found([0, 1])).toEqual(["unnamed-tags"]);
    expect(await found(["O", "B-PER"])).toEqual([]);
  });

  test("answers that a column marks as bad are said to be learnt like the good", async () => {
    const rows = [true, false].map((label) => ({ prompt: "q", completion: `${label}`, label }));
    const { findings } = await open(file("a.jsonl", lines(...rows)));
    expect(findings.map(({ message }) => message).join()).toMatch(
      /1 training answers with false.*a\.jsonl:2/,
    );
  });

  test("a line of ten million characters is read and said", async () => {
    const long = "word ".repeat(2_000_000);
    const { findings, splits } = await open(file("a.jsonl", lines({ text: "short" }, { text: long })));
    expect(splits.train[1]!.values.text!.length).toBe(10_000_000);
    expect(findings).toEqual([
      { kind: "long-text", message: expect.stringMatching(/^a\.jsonl:2 has 10000000 characters/) },
    ]);
  });
});

test("a set to be predicted needs no labels, and not several files", async () => {
  const set = await openTextSet(file("a.csv", "id,text\n7,a\n8,b\n"));
  expect([set.shape, set.rows.map(({ fields }) => fields["id"])]).toEqual(["text", ["7", "8"]]);
  await expect(
    openTextSet(folder({ "train.csv": "text\na\n", "test.csv": "text\nb\n" })),
  ).rejects.toMatchObject({ code: "data/ambiguous-split" });
});

describe.skipIf(!haveAssets)("real data", () => {
  test.each([
    ["ag-news", [9000, 1001, 7600], 4],
    ["sst2", [20000, 6735, 872], 2],
    ["medical-abstracts", [1800, 200, 888], 5],
  ])("%s", async (name, sizes, classes) => {
    const made = await openTextRows(assets(`data/${name}`), { seed: 0, validationShare: 0.1 });
    expect(Object.values(made.splits).map(({ length }) => length)).toEqual(sizes);
    expect(made.classes.length).toBe(classes);
    expect(made.shape).toBe("text-label");
  });

  test("text-styles", async () => {
    const { splits } = await openTextRows(assets("data/text-styles/shakespeare.txt"), {
      seed: 0,
      validationShare: 0.1,
    });
    const share = splits.validation[0]!.values.text!.length / 1_115_394;
    expect(share).toBeGreaterThan(0.099);
    expect(share).toBeLessThanOrEqual(0.1);
  });
});
