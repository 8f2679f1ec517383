import {
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AutoTokenizer, env } from "@huggingface/transformers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { languageTokens } from "../../src/app/text/language-tokens.ts";
import { similarityJob } from "../../src/app/text/similarity-job.node.ts";
import { openTokenizer } from "../../src/data/text/open-tokenizer.node.ts";
import { evaluate, predict, resume, type Saved, type TuneInput, tune } from "../../src/index.ts";
import { loadModel } from "../../src/models/load.node.ts";
import {
  opinions,
  writeRows,
  writeTinyByteEncoder,
  writeTinyDecoder,
  writeTinyEncoder,
} from "./tiny-text.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-text-"));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(async () => {
  await writeTinyEncoder(at("encoder"));
  await writeTinyDecoder(at("decoder"));
});

const settings = { plan: "full", learningRate: 5e-3, epochs: 6, batchSize: 8, weightDecay: 0 } as const;

async function tuned(out: string, options: Omit<TuneInput, "out" | "run">): Promise<Saved> {
  let saved: Saved | undefined;
  for await (const event of tune({ ...settings, ...options, out: at(out), run: at(`${out}-run`) }))
    if (event.type === "saved") saved = event;
  return saved!;
}

async function scores(options: Parameters<typeof evaluate>[0]) {
  for await (const event of evaluate(options))
    if (event.type === "evaluated" || event.type === "scored") return event.metrics;
  throw new Error("nothing was judged");
}

test("a model whose files are links, as in the Hub's cache, gives files of their own", async () => {
  mkdirSync(at("linked"));
  for (const name of readdirSync(at("encoder"), { recursive: true, encoding: "utf8" })) {
    const from = join(at("encoder"), name);
    if (lstatSync(from).isDirectory()) mkdirSync(join(at("linked"), name), { recursive: true });
    else symlinkSync(from, join(at("linked"), name));
  }
  const rows = opinions(24).map(({ text, isGood }) => ({ text, label: isGood ? "good" : "bad" }));
  const data = writeRows(at("linked-data"), "all.jsonl", rows);
  await tuned("unlinked", { model: at("linked"), data, epochs: 1 });
  const names = readdirSync(at("unlinked"), { recursive: true, encoding: "utf8" });
  expect(names).toContain("tokenizer.json");
  expect(names.filter((name) => lstatSync(join(at("unlinked"), name)).isSymbolicLink())).toEqual([]);
});

test("a result that cannot be written is kept, and written when the run goes on", async () => {
  const rows = opinions(24).map(({ text, isGood }) => ({ text, label: isGood ? "good" : "bad" }));
  const data = writeRows(at("kept-data"), "all.jsonl", rows);
  const folders = { out: at("blocked/kept"), run: at("kept-run") };
  const blocked = async () => {
    for await (const event of tune({ ...settings, model: at("encoder"), data, epochs: 1, ...folders }))
      if (event.type === "step") writeFileSync(at("blocked"), "a file where a folder is to be");
  };
  await expect(blocked()).rejects.toMatchObject({
    code: "models/output-exists",
    fix: expect.stringContaining(`"diapason resume ${at("kept-run")}"`),
  });
  rmSync(at("blocked"));
  for await (const _ of resume({ run: at("kept-run") }));
  expect(readdirSync(at("blocked/kept"))).toContain("model.safetensors");
});

describe("text-classification", () => {
  test("one class of several: learns, saves, judges and says the same", async () => {
    const rows = opinions(96).map(({ text, isGood }) => ({ text, label: isGood ? "good" : "bad" }));
    const data = writeRows(at("reviews"), "train.jsonl", rows);
    writeRows(
      at("reviews"),
      "test.jsonl",
      opinions(140)
        .slice(96)
        .map(({ text, isGood }) => ({ text, label: isGood ? "good" : "bad" })),
    );
    const saved = await tuned("classes", {
      model: at("encoder"),
      data: at("reviews"),
      task: "text-classification",
    });
    expect(data).toContain("train.jsonl");
    expect(saved.after.accuracy).toBeGreaterThan(0.9);
    expect(readdirSync(at("classes")).sort()).toEqual([
      "README.md",
      "config.json",
      "model.safetensors",
      "onnx",
      "report.html",
      "tokenizer.json",
      "tokenizer_config.json",
    ]);
    const config = JSON.parse(readFileSync(at("classes/config.json"), "utf8"));
    expect(config).toMatchObject({
      architectures: ["BertForSequenceClassification"],
      id2label: { 0: "bad", 1: "good" },
      problem_type: "single_label_classification",
      diapason: { task: "text-classification" },
    });
    const again = await scores({ model: at("classes"), data: at("reviews") });
    expect(again).toMatchObject({ accuracy: saved.after.accuracy });
    const said: (string | undefined)[] = [];
    for await (const event of predict({
      model: at("classes"),
      inputs: ["the film was poor", "the book was fine"],
    }))
      if (event.type === "prediction") said.push(event.labels[0]?.label);
    expect(said).toEqual(["bad", "good"]);
  });

  test("a model that takes all texts for one class is said to", async () => {
    const rows = opinions(96).map(({ text, isGood }) => ({ text, label: isGood ? "good" : "bad" }));
    const notesOf = async (name: string, of: readonly object[]) => {
      const folders = {
        data: writeRows(at(name), "all.jsonl", of),
        out: at(`${name}-out`),
        run: at(`${name}-run`),
      };
      const told: string[] = [];
      const options = { ...settings, model: at("encoder"), task: "text-classification", epochs: 4 } as const;
      for await (const event of tune({ ...options, ...folders, validationShare: 0.3 }))
        if (event.type === "note") told.push(event.message);
      return told.filter((note) => /takes all \d+ held-out texts for "(good|bad)"/.test(note));
    };
    expect(await notesOf("told-apart", rows)).toEqual([]);
    expect(
      await notesOf(
        "all-alike",
        rows.map((row) => ({ ...row, text: "the film" })),
      ),
    ).toHaveLength(1);
  });

  test("pairs: the second text is given beside the first, and a text alone is said to be", async () => {
    const rows = opinions(48).map(({ text, isGood }) => ({
      premise: text,
      hypothesis: "the film was good",
      label: isGood ? "yes" : "no",
    }));
    const data = writeRows(at("pair-data"), "all.jsonl", rows);
    await tuned("pairs-out", { model: at("encoder"), data, task: "text-classification", epochs: 2 });
    const said = async (options: Partial<Parameters<typeof predict>[0]>) => {
      const events: unknown[] = [];
      for await (const event of predict({ model: at("pairs-out"), inputs: ["a book was fine"], ...options }))
        events.push(event.type === "prediction" ? event.labels : event.type);
      return events;
    };
    const inputs = [
      writeRows(at("pair-new"), "new.jsonl", [{ premise: "a book was fine", hypothesis: "the film" }]),
    ];
    const [ofFile, ofFlag, alone] = [
      await said({ inputs }),
      await said({ pair: "the film" }),
      await said({}),
    ];
    expect(ofFlag).toEqual(ofFile);
    expect(alone).toEqual(["note", expect.anything()]);
    expect(alone[1]).not.toEqual(ofFlag[0]);
    await expect(said({ inputs: ["pair-new/news.jsonl"] })).rejects.toMatchObject({ code: "data/not-found" });
  });

  test("a decoder without a pad token names one, as transformers needs of several texts at once", async () => {
    cpSync(at("decoder"), at("padless"), { recursive: true });
    const path = join(at("padless"), "tokenizer_config.json");
    const { pad_token: _, ...config } = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify(config));
    const rows = opinions(24).map(({ text, isGood }) => ({ text, label: isGood ? "good" : "bad" }));
    const data = writeRows(at("padless-data"), "all.jsonl", rows);
    await tuned("padded", { model: at("padless"), data, task: "text-classification", epochs: 1 });
    const json = (name: string) => JSON.parse(readFileSync(join(at("padded"), name), "utf8"));
    expect(json("tokenizer_config.json").pad_token).toBe("[SEP]");
    expect(json("config.json").pad_token_id).toBe(3);
  });

  test("rows of a JSON list in one line are told apart", async () => {
    const rows = opinions(48).map(({ text, isGood }) => ({ text, label: isGood ? "good" : "bad" }));
    mkdirSync(at("one-line"));
    writeFileSync(join(at("one-line"), "all.json"), JSON.stringify(rows));
    const saved = await tuned("of-one-line", { model: at("encoder"), data: at("one-line"), epochs: 1 });
    expect(saved.after.metrics).toHaveProperty("accuracy");
  });

  test("any number of classes", async () => {
    const rows = opinions(96).map(({ text, isGood, isBook }) => ({
      text,
      labels: [...(isGood ? ["good"] : []), ...(isBook ? ["book"] : [])],
    }));
    const data = writeRows(at("tags"), "all.jsonl", rows);
    const saved = await tuned("several", { model: at("encoder"), data, task: "text-classification" });
    expect(saved.after.metrics["micro F1"]).toBeGreaterThan(0.9);
    expect(JSON.parse(readFileSync(at("several/config.json"), "utf8"))).toMatchObject({
      problem_type: "multi_label_classification",
      id2label: { 0: "book", 1: "good" },
    });
    const other = writeRows(at("other"), "pairs.jsonl", [{ anchor: "the film", positive: "a book" }]);
    const asked = async () => {
      for await (const _ of predict({ model: at("several"), inputs: [other] }));
    };
    await expect(asked()).rejects.toMatchObject({
      code: "data/no-text",
      message: "pairs.jsonl:1 has no text, but anchor and positive.",
    });
    for await (const event of predict({ model: at("several"), inputs: ["the book was good"], top: 2 }))
      if (event.type === "prediction")
        expect(event.labels.every(({ probability }) => probability > 0.5)).toBe(true);
  });

  test("numbers", async () => {
    const rows = opinions(96).map(({ text, isGood }) => ({ text, label: isGood ? 1.5 : -0.5 }));
    const data = writeRows(at("stars"), "all.jsonl", rows);
    const saved = await tuned("numbers", { model: at("encoder"), data, task: "text-classification" });
    expect(saved.after.metrics["pearson"]).toBeGreaterThan(0.9);
    expect(saved.after.metrics["loss"]).toBeLessThan(saved.before.metrics["loss"]!);
    const told: unknown[] = [];
    for await (const event of predict({ model: at("numbers"), inputs: [rows[0]!.text] }))
      if (event.type === "outputs") told.push(event.outputs);
    expect(told).toEqual([{ score: [expect.closeTo(rows[0]!.label, 0)] }]);
  });

  test("a step over four batches of four is the step over one of sixteen", async () => {
    const rows = opinions(48).map(({ text, isGood }) => ({ text, label: isGood ? "good" : "bad" }));
    const data = writeRows(at("whole"), "all.jsonl", rows);
    const options = {
      model: at("encoder"),
      data,
      task: "text-classification",
      epochs: 1,
      plan: "full",
      // what a text loses hangs on its place in a batch
      dropout: 0,
    } as const;
    const losses = async (out: string, batchSize: number, accumulate: number) => {
      const found: number[] = [];
      const folders = { out: at(out), run: at(`${out}-run`) };
      for await (const event of tune({ ...settings, ...options, ...folders, batchSize, accumulate }))
        if (event.type === "step") found.push(event.gradientNorm);
      return found;
    };
    // The first step sees other texts in each case; the whole epoch in one step sees the same.
    const whole = await losses("one", 43, 1);
    const parts = await losses("parts", 10, 5);
    expect(parts).toHaveLength(1);
    expect(parts[0]! / whole[0]!).toBeCloseTo(1, 4);
  });
});

describe("token-classification", () => {
  test("names are found, and said with their words", async () => {
    const rows = opinions(96).map(({ isBook }, i) => ({
      tokens: ["anna", "lives", "in", isBook ? "paris" : "a", isBook ? "." : "book"].slice(i % 2),
      ner_tags: ["B-PER", "O", "O", isBook ? "B-LOC" : "O", "O"].slice(i % 2),
    }));
    const data = writeRows(at("names"), "all.jsonl", rows);
    // The base told a number, and its file told transformers.js of forms that the tuned folder lacks.
    cpSync(at("encoder"), at("rated"), { recursive: true });
    const config = JSON.parse(readFileSync(join(at("rated"), "config.json"), "utf8"));
    const stale = { problem_type: "regression", "transformers.js_config": { dtype: "q4" } };
    writeFileSync(join(at("rated"), "config.json"), JSON.stringify({ ...config, ...stale }));
    const saved = await tuned("tagger", { model: at("rated"), data, task: "token-classification" });
    expect(JSON.parse(readFileSync(join(at("tagger"), "config.json"), "utf8"))).toMatchObject({
      problem_type: "single_label_classification",
      "transformers.js_config": { dtype: "fp32" },
    });
    expect(saved.after.metrics["F1"]).toBeGreaterThan(0.95);
    const { worst } = JSON.parse(readFileSync(join(at("tagger-run"), "result.json"), "utf8"));
    expect(worst[0]).toMatchObject({
      id: expect.stringMatching(/^all\.jsonl:\d+$/),
      text: expect.stringContaining("lives in"),
    });
    expect(await scores({ model: at("tagger"), data, split: "all" })).toMatchObject({ F1: 1 });
    for await (const event of predict({ model: at("tagger"), inputs: ["Anna lives  in Paris"] }))
      if (event.type === "entities")
        expect(
          event.entities.map(({ label, text, words, characters }) => [label, text, words, characters]),
        ).toEqual([
          ["PER", "Anna", [0, 1], [0, 4]],
          ["LOC", "Paris", [3, 4], [15, 20]],
        ]);
  });

  test("words of byte-level tokenizers have their spaces: in training, in what predicts, in the folder", async () => {
    await writeTinyByteEncoder(at("bytes"));
    const rows = opinions(96).map(({ isBook }) => ({
      tokens: ["Anna", "lives", "in", isBook ? "Paris" : "a", isBook ? "." : "book"],
      ner_tags: ["B-PER", "O", "O", isBook ? "B-LOC" : "O", "O"],
    }));
    const data = writeRows(at("byte-names"), "all.jsonl", rows);
    const saved = await tuned("byte-tagger", { model: at("bytes"), data, task: "token-classification" });
    expect(saved.after.metrics["F1"]).toBeGreaterThan(0.95);
    const json = (name: string) => JSON.parse(readFileSync(join(at("byte-tagger"), name), "utf8"));
    expect(json("tokenizer_config.json")).toMatchObject({ add_prefix_space: true });
    expect(json("tokenizer.json").pre_tokenizer).toMatchObject({ type: "ByteLevel", add_prefix_space: true });

    const text = "Anna lives in Paris .";
    const [before, after] = [await openTokenizer(at("bytes")), await openTokenizer(at("byte-tagger"))];
    const wanted = [...before.encodeWords(text.split(" ")).ids];
    expect([...after.encodeWords(text.split(" ")).ids]).toEqual(wanted);
    // A text as a whole has the tokens of its words, here and in transformers.js.
    expect([...after.encode(text).ids]).toEqual(wanted);
    env.localModelPath = folder;
    env.allowRemoteModels = false;
    const theirs = await AutoTokenizer.from_pretrained("byte-tagger");
    expect(theirs.encode(text)).toEqual(wanted);
    for await (const event of predict({ model: at("byte-tagger"), inputs: [text] }))
      if (event.type === "entities")
        expect(event.entities.map(({ label, text }) => [label, text])).toEqual([
          ["PER", "Anna"],
          ["LOC", "Paris"],
        ]);
    await Promise.all([before.close(), after.close()]);
  });

  test("tags are read behind the padding, whichever side it is on", async () => {
    cpSync(at("decoder"), at("left-tags"), { recursive: true });
    const path = join(at("left-tags"), "tokenizer_config.json");
    const config = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify({ ...config, padding_side: "left" }));
    const rows = opinions(96).map((_, i) => ({
      tokens: [...(i % 2 ? ["the", "film", "in", "the", "book"] : []), "anna", "lives", "in", "paris"],
      ner_tags: [...(i % 2 ? ["O", "O", "O", "O", "O"] : []), "B-PER", "O", "O", "B-LOC"],
    }));
    const data = writeRows(at("left-names"), "all.jsonl", rows);
    const task = "token-classification";
    const saved = await tuned("left-tagger", { model: at("left-tags"), data, task, epochs: 3 });
    expect(saved.after.metrics["F1"]).toBe(1);
    const found: unknown[] = [];
    for await (const event of predict({ model: at("left-tagger"), inputs: ["anna", "the film in the book"] }))
      if (event.type === "entities") found.push(event.entities.map(({ label, text }) => [label, text]));
    expect(found).toEqual([[["PER", "anna"]], []]);
  });

  test("says in how many texts each tag is", async () => {
    const rows = opinions(20).map((_, i) => ({
      tokens: ["anna", "lives", "in", "paris"],
      ner_tags: ["B-PER", "O", "O", i === 0 ? "B-LOC" : "O"],
    }));
    writeRows(at("rare"), "train.jsonl", rows);
    writeRows(at("rare"), "validation.jsonl", rows.slice(1, 5));
    const [model, data] = [at("encoder"), at("rare")];
    const run = { ...settings, model, data, epochs: 1, out: at("rare-out"), run: at("rare-run") };
    for await (const event of tune({ ...run, task: "token-classification" })) {
      if (event.type !== "found") continue;
      expect(event.data.classes.map((one) => [one.name, one.train, one.validation])).toEqual([
        ["O", 20, 4],
        ["B-LOC", 1, 0],
        ["B-PER", 20, 4],
      ]);
      expect(event.checks.find(({ what }) => what === "classes")?.found).toBe(
        "no validation texts for B-LOC",
      );
    }
  });
});

describe("fill-mask", () => {
  test("hidden words are told, and a run that was stopped goes on to the same weights", async () => {
    const data = writeRows(
      at("plain"),
      "all.jsonl",
      opinions(96).map(({ text }) => ({ text })),
    );
    const options = { model: at("encoder"), data, task: "fill-mask", epochs: 4 } as const;
    const saved = await tuned("masks", options);
    expect(saved.after.metrics["perplexity"]).toBeLessThan(saved.before.metrics["perplexity"]! / 1.5);
    const stop = new AbortController();
    const folders = { out: at("masks-2"), run: at("masks-2-run") };
    for await (const event of tune({ ...settings, ...options, ...folders }, { signal: stop.signal }))
      if (event.type === "step" && event.step === 17) stop.abort();
    for await (const _ of resume({ run: at("masks-2-run") }));
    const weights = (name: string) => readFileSync(at(`${name}/model.safetensors`));
    expect(weights("masks-2").equals(weights("masks"))).toBe(true);
    const asked = async (text: string, more: object = {}) => {
      for await (const _ of predict({ model: at("masks"), inputs: [text], ...more }));
    };
    await expect(asked("the film was good")).rejects.toMatchObject({
      message: '"the film was good" hides nothing.',
    });
    // [CLS] and [SEP] are as many
    await expect(asked("the [MASK]", { maxTokens: 2 })).rejects.toMatchObject({ code: "data/bad-option" });
    for await (const event of predict({ model: at("masks"), inputs: ["the [MASK] was good"], top: 2 }))
      if (event.type === "prediction")
        expect(event.labels.map(({ label }) => label).sort()).toEqual(["book", "film"]);
  });
});

describe("causal-lm", () => {
  test("texts are learnt by heart; packed rows keep examples apart", async () => {
    const rows = opinions(120).map(({ text }) => ({ text }));
    const data = writeRows(at("stories"), "all.jsonl", rows);
    const saved = await tuned("writer", {
      model: at("decoder"),
      data,
      task: "causal-lm",
      maxTokens: 24,
      epochs: 30,
    });
    expect(saved.after.metrics["perplexity"]).toBeLessThan(3);
    expect(saved.before.metrics["perplexity"]).toBeGreaterThan(10);
    const { graph } = await loadModel(at("writer"));
    expect(graph.inputs.map(({ name }) => name).sort()).toEqual(["attention_mask", "input_ids"]);
    expect(
      await scores({ model: at("writer"), data, split: "validation" }).catch(() => "no validation"),
    ).toBe("no validation");
  });

  test("texts are told alike whichever side they are filled up on", async () => {
    cpSync(at("decoder"), at("left"), { recursive: true });
    const path = join(at("left"), "tokenizer_config.json");
    const config = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify({ ...config, padding_side: "left" }));
    const data = writeRows(at("uneven"), "all.jsonl", [
      { text: "the film was good ." },
      { text: "anna lives" },
      { text: "a book" },
    ]);
    const perplexity = async (name: string) => {
      const metrics = await scores({ model: at(name), data, task: "causal-lm", split: "train" });
      return "perplexity" in metrics ? metrics["perplexity"]! : Number.NaN;
    };
    expect(await perplexity("left")).toBeCloseTo(await perplexity("decoder"), 3);
  });

  test("a text of very many tokens, as a book in a row, is read whole and ends", async () => {
    const tokenizer = await openTokenizer(at("decoder"));
    const text = "good ".repeat(150_000);
    const row = { id: "books.jsonl:1", line: 1, fields: {}, values: { text } };
    const tokensOf = async (file: string) =>
      (await languageTokens(tokenizer, [{ ...row, file }], "all"))[0]!.ids;
    expect((await tokensOf("books.jsonl")).length).toBe(150_001);
    expect((await tokensOf("book.txt.gz")).length).toBe(150_000);
    await tokenizer.close();
  });

  test("only completions carry loss", async () => {
    const rows = opinions(64).map(({ isGood, isBook }) => ({
      prompt: `the ${isBook ? "book" : "film"} was `,
      completion: isGood ? "good ." : "bad .",
    }));
    const data = writeRows(at("answers"), "all.jsonl", rows);
    const found: string[] = [];
    for await (const event of tune({
      ...settings,
      model: at("decoder"),
      data,
      task: "causal-lm",
      epochs: 1,
      out: at("answers-out"),
      run: at("answers-run"),
    }))
      if (event.type === "found") found.push(...event.checks.map((check) => check.found));
    expect(found.join("\n")).toMatch(/50\.0 % of \d+ training tokens carry loss/);
    expect(found.join("\n")).toMatch(/end-of-sequence token \[SEP\] is learnt/);
  });
  test("the end of a turn that generation stops at is an end that is learnt", async () => {
    cpSync(at("decoder"), at("chatty"), { recursive: true });
    const write = (name: string, content: string) => writeFileSync(join(at("chatty"), name), content);
    write("chat_template.jinja", "{% for m in messages %}{{ m.content + ' . ' }}{% endfor %}");
    const rows = opinions(24).map(({ text }) => ({
      messages: [
        { role: "user", content: "a film" },
        { role: "assistant", content: text.replace(" .", "") },
      ],
    }));
    const data = writeRows(at("chats"), "all.jsonl", rows);
    const found = async (): Promise<string> => {
      const folders = { out: at("chatty-out"), run: at("chatty-run"), force: true };
      const options = { ...settings, model: at("chatty"), data, task: "causal-lm", epochs: 1 } as const;
      for await (const event of tune({ ...options, ...folders }))
        if (event.type === "found") return event.checks.find(({ what }) => what === "end")!.found;
      return "";
    };
    expect(await found()).toMatch(/^the end-of-sequence token \[SEP\] is never learnt/);
    write("generation_config.json", JSON.stringify({ eos_token_id: [3, 18] }));
    expect(await found()).toMatch(/^the end-of-sequence token \. is learnt/);
  });
});

describe("sentence-similarity", () => {
  const pairs = (count: number) =>
    opinions(count).map(({ isGood, isBook }, i) => {
      const [a, b] = isGood ? ["good", "fine"] : ["bad", "poor"];
      const what = isBook ? "book" : "film";
      const end = i % 3 === 0 ? "anna" : i % 3 === 1 ? "paris" : "";
      return { anchor: `${end} the ${what} was ${a}`, positive: `a ${b} ${what} ${end}` };
    });

  test("texts that belong together come nearer, and the vectors are sentence-transformers'", async () => {
    const data = writeRows(at("pairs"), "all.jsonl", pairs(96));
    const saved = await tuned("vectors", {
      model: at("encoder"),
      data,
      task: "sentence-similarity",
      epochs: 10,
    });
    expect(saved.after.metrics["MRR@10"]).toBeGreaterThan(saved.before.metrics["MRR@10"]! + 0.1);
    expect(JSON.parse(readFileSync(at("vectors/1_Pooling/config.json"), "utf8"))).toMatchObject({
      pooling_mode_mean_tokens: true,
    });
    expect(JSON.parse(readFileSync(at("vectors/config.json"), "utf8")).architectures).toEqual(["BertModel"]);
    const vectors: number[][] = [];
    const inputs = ["the film was bad", "a poor film", "a fine book"];
    for await (const event of predict({ model: at("vectors"), inputs }))
      if (event.type === "outputs") vectors.push(event.outputs["embedding"] as number[]);
    const cosine = (a: readonly number[], b: readonly number[]) =>
      a.reduce((sum, x, i) => sum + x * b[i]!, 0);
    expect(cosine(vectors[0]!, vectors[0]!)).toBeCloseTo(1, 5);
    expect(cosine(vectors[0]!, vectors[1]!)).toBeGreaterThan(cosine(vectors[0]!, vectors[2]!) + 0.2);
    for (const told of [
      readFileSync(at("vectors/README.md"), "utf8"),
      readFileSync(at("vectors/report.html"), "utf8"),
    ])
      expect(told).toMatch(/loss \(1 − 1\/rank of the text it belongs to among all that are judged\)/);
  });

  test("of two texts is said how near they are, and both vectors", async () => {
    const [a, b, c] = ["the film was bad", "a poor film", "a fine book"] as const;
    const cosine = (x: unknown, y: unknown) =>
      (x as number[]).reduce((sum, value, i) => sum + value * (y as number[])[i]!, 0);
    const said: Record<string, unknown>[] = [];
    const files = [
      writeRows(at("two"), "pairs.jsonl", [
        { sentence1: a, sentence2: b },
        { sentence1: c, sentence2: a },
      ]),
      writeRows(at("two"), "triplets.jsonl", [{ anchor: a, positive: b, negative: c }]),
    ];
    for await (const event of predict({
      model: at("encoder"),
      task: "sentence-similarity",
      inputs: [a, b, c, ...files],
    }))
      if (event.type === "outputs") said.push(event.outputs);
    const alone = said.slice(0, 3).map(({ embedding, ...others }) => {
      expect(others).toEqual({});
      return embedding;
    });
    const [ab, ca, abc] = said.slice(3);
    const near = (x: unknown, y: unknown) => {
      for (const [i, value] of (x as number[]).entries()) expect(value).toBeCloseTo((y as number[])[i]!, 5);
    };
    near(ab!["embedding"], alone[0]);
    near(ab!["pair_embedding"], alone[1]);
    near(ca!["pair_embedding"], alone[0]);
    near(abc!["negative_embedding"], alone[2]);
    expect(ab!["similarity"]).toBeCloseTo(cosine(alone[0], alone[1]), 5);
    expect(ca!["similarity"]).toBeCloseTo(cosine(alone[2], alone[0]), 5);
    expect(abc!["similarity"]).toBeCloseTo(cosine(alone[0], alone[1]), 5);
    expect(abc!["negative_similarity"]).toBeCloseTo(cosine(alone[0], alone[2]), 5);
  });

  test("scores of held-out pairs are on the scale of those for training", async () => {
    const tokenizer = await openTokenizer(at("encoder"));
    const job = await similarityJob({
      folder: at("encoder"),
      shape: "pair-score",
      classes: [],
      labels: undefined,
      tokenizer,
      maxTokens: 16,
      labelSmoothing: 0,
      turns: "all",
      seed: 0,
    });
    const row = (score: number) => {
      const values = { text: "a film", pair: "a book", score };
      return { id: `row of ${score}`, file: "", line: 1, fields: {}, values };
    };
    const splits = [[row(5), row(1)], [row(1)]];
    const [train, held] = await Promise.all(splits.map((rows) => job.encode(rows)));
    expect(train!.map(({ score }) => score)).toEqual([1, 0.2]);
    expect(held!.map(({ score }) => score)).toEqual([0.2]);
    await tokenizer.close();
  });

  test("scores of pairs are learnt", async () => {
    const rows = pairs(96).map(({ anchor, positive }, i, all) =>
      i % 2 === 0
        ? { sentence1: anchor, sentence2: positive, score: 5 }
        : {
            sentence1: anchor,
            sentence2: /bad/.test(anchor) ? "the film was good" : "a bad book",
            score: i % 4,
            all: all.length,
          },
    );
    const data = writeRows(at("scored"), "all.jsonl", rows);
    const saved = await tuned("scorer", {
      model: at("encoder"),
      data,
      task: "sentence-similarity",
      epochs: 10,
    });
    expect(saved.after.metrics["loss"]).toBeLessThan(saved.before.metrics["loss"]!);
    expect(saved.after.metrics["spearman"]).toBeGreaterThan(0.5);
  });
});

describe("preference", () => {
  test("the better answers become likelier, measured from what the model was", async () => {
    const rows = opinions(64).map(({ isBook }) => ({
      prompt: `the ${isBook ? "book" : "film"} was `,
      chosen: "good .",
      rejected: "bad .",
    }));
    const data = writeRows(at("choices"), "all.jsonl", rows);
    const saved = await tuned("chooser", { model: at("decoder"), data, task: "preference", epochs: 4 });
    // Measured from itself the model has no preference: the loss is log 2.
    expect(saved.before.metrics).toMatchObject({ accuracy: 0, margin: 0 });
    expect(saved.before.metrics["loss"]).toBeCloseTo(Math.log(2), 6);
    expect(saved.after.metrics["accuracy"]).toBe(1);
    expect(saved.after.metrics["loss"]).toBeLessThan(0.6);
  });
});

test("dropout in the layers: learns, resumes to the same weights, and is gone from what is saved", async () => {
  const rows = opinions(64).map(({ text, isGood }) => ({ text, label: isGood ? "good" : "bad" }));
  const data = writeRows(at("dropped"), "all.jsonl", rows);
  const options = { model: at("encoder"), data, task: "text-classification", dropout: 0.2 } as const;
  const saved = await tuned("drop", options);
  expect(saved.after.metrics["loss"]).toBeLessThan(saved.before.metrics["loss"]!);
  const stop = new AbortController();
  const folders = { out: at("drop-2"), run: at("drop-2-run") };
  for await (const event of tune({ ...settings, ...options, ...folders }, { signal: stop.signal }))
    if (event.type === "step" && event.step === 11) stop.abort();
  for await (const _ of resume({ run: at("drop-2-run") }));
  const weights = (name: string) => readFileSync(at(`${name}/model.safetensors`));
  expect(weights("drop-2").equals(weights("drop"))).toBe(true);
  await tuned("no-drop", { ...options, dropout: 0 });
  expect(weights("no-drop").equals(weights("drop"))).toBe(false);
  // the config's share, which nobody need ask for
  const { dropout: _, ...unsaid } = options;
  cpSync(at("encoder"), at("dropping"), { recursive: true });
  const config = JSON.parse(readFileSync(at("dropping/config.json"), "utf8"));
  const share = { hidden_dropout_prob: 0.1 };
  writeFileSync(at("dropping/config.json"), JSON.stringify({ ...config, ...share }));
  await tuned("config-drop", { ...unsaid, model: at("dropping") });
  await tuned("tenth", { ...options, dropout: 0.1 });
  expect(weights("config-drop").equals(weights("tenth"))).toBe(true);
  const { graph } = await loadModel(at("drop"));
  expect(graph.inputs.map(({ name }) => name).sort()).toEqual([
    "attention_mask",
    "input_ids",
    "token_type_ids",
  ]);
});

test.each([
  [
    "text-classification",
    { text: "the film" },
    /JSON lines: text; .* takes pairs with a label, or text and label/,
  ],
  ["text-classification", { messages: [{ role: "user", content: "the film" }] }, /chat messages; the task/],
  [
    "fill-mask",
    { messages: [{ role: "user", content: "the film" }] },
    /fill-mask takes text and label, or text\./,
  ],
  ["causal-lm", { question: "the film", answer: "the book" }, /pairs; the task causal-lm takes /],
  [
    "sentence-similarity",
    { sentence1: "the film", sentence2: "the book", label: "no" },
    /pairs with a label; /,
  ],
] as const)("%s refuses rows that it would read in part: %o", async (task, row, message) => {
  const data = writeRows(
    at("others"),
    "all.jsonl",
    Array.from({ length: 12 }, () => row),
  );
  const model = at(task === "causal-lm" ? "decoder" : "encoder");
  const refused = expect.objectContaining({
    code: "data/unknown-shape",
    message: expect.stringMatching(message) as string,
  }) as Error;
  const run = async () => {
    for await (const _ of tune({ model, data, task, out: at("none"), run: at("none-run") }));
  };
  await expect(run()).rejects.toThrow(refused);
  const judge = async () => {
    for await (const _ of evaluate({ model, data, task }));
  };
  await expect(judge()).rejects.toThrow(refused);
});

test("a row of a book's length is refused where it would be read by its first page, and told where in pieces", async () => {
  const rows = [
    { text: "word ".repeat(200_001), label: "a" },
    ...opinions(20).map(({ text }, i) => ({ text, label: i % 2 ? "a" : "b" })),
  ];
  const data = writeRows(at("long"), "train.jsonl", rows);
  const found = async (task: "text-classification" | "causal-lm") => {
    const out = at("long-out");
    const model = at(task === "causal-lm" ? "decoder" : "encoder");
    for await (const event of tune({ model, data, task, out, run: `${out}-run` }))
      if (event.type === "found") return event.notes;
    return [];
  };
  await expect(found("text-classification")).rejects.toMatchObject({
    code: "data/long-text",
    message: "train.jsonl:1 has 1000005 characters. A line break or a quote may be missing there.",
  });
  expect(await found("causal-lm")).toContainEqual(expect.stringContaining("has 1000005 characters"));
});

test("an adapter on a network with dropout is merged, and what it then gives is compared", async () => {
  const rows = opinions(48).map(({ text, isGood }) => ({ text, label: isGood ? "good" : "bad" }));
  const data = writeRows(at("dropped"), "all.jsonl", rows);
  const options = { model: at("encoder"), data, task: "text-classification", dropout: 0.2 } as const;
  await tuned("dropped-lora", { ...options, adapter: "lora", epochs: 1 });
  const { notes } = JSON.parse(readFileSync(at("dropped-lora-run/result.json"), "utf8"));
  expect(notes.join("\n")).toMatch(/merged into the weights: outputs differ by/);
});

test("texts that all have one label teach nothing, and are refused by name", async () => {
  const data = writeRows(
    at("one"),
    "all.jsonl",
    opinions(12).map(({ text }) => ({ text, label: "good" })),
  );
  await expect(
    tuned("one-class", { model: at("encoder"), data, task: "text-classification" }),
  ).rejects.toMatchObject({
    code: "data/single-class",
    message: 'All rows of all.jsonl have the label "good".',
  });
  expect(readdirSync(folder).filter((name) => name.startsWith("one-class"))).toEqual([]);
});

test("columns of other names: those that were taken are named", async () => {
  const rows = opinions(12).map(({ text, isGood }) => ({ review: text, verdict: String(isGood) }));
  const data = writeRows(at("verdicts"), "all.jsonl", rows);
  await expect(
    tuned("verdict", { model: at("encoder"), data, task: "text-classification" }),
  ).rejects.toMatchObject({
    message: expect.stringMatching(/^The rows of all\.jsonl are JSON lines: text;/),
    fix: expect.stringContaining('"review" is taken as text'),
  });
});
