import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env, pipeline } from "@huggingface/transformers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeGraphFile } from "../../src/app/export/graph-file.node.ts";
import { fileOfForm } from "../../src/app/opening/graph-file.node.ts";
import { copyTokenizer } from "../../src/app/text/open.node.ts";
import { openTokenizer } from "../../src/data/text/open-tokenizer.node.ts";
import { predict, tune } from "../../src/index.ts";
import { inFormat } from "../../src/models/export/formats.ts";
import { loadModel } from "../../src/models/load.node.ts";
import { inferenceGraph, saveModel } from "../../src/models/save.node.ts";
import { assets, haveAssets } from "../assets.ts";
import { opinions, writeRows, writeTinyDecoder, writeTinyEncoder } from "../text/tiny-text.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-transformers-js-"));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(async () => {
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = folder;
  await writeTinyEncoder(at("encoder"));
  await writeTinyDecoder(at("decoder"));
});

const settings = { plan: "full", learningRate: 5e-3, epochs: 3, batchSize: 8 } as const;
const texts = ["the film was poor", "the book was fine .", "anna lives in paris"];

async function run(options: Omit<Parameters<typeof tune>[0], "out" | "run">, out: string): Promise<void> {
  for await (const _ of tune({ ...settings, ...options, out: at(out), run: at(`${out}-run`) }));
}

function rowsOfClasses(): string {
  const rows = opinions(64).map(({ text, isGood }) => ({ text, label: isGood ? "good" : "bad" }));
  return writeRows(at("rows"), "reviews.jsonl", rows);
}

describe("transformers.js loads what tuning writes, and says the same", () => {
  test("text-classification", async () => {
    await run({ model: at("encoder"), data: rowsOfClasses(), task: "text-classification" }, "classifier");
    const classify = await pipeline("text-classification", "classifier", { dtype: "fp32" });
    const theirs = (await classify(texts)) as { label: string; score: number }[];
    let i = 0;
    for await (const event of predict({ model: at("classifier"), inputs: texts })) {
      if (event.type !== "prediction") continue;
      expect(theirs[i]!.label).toBe(event.labels[0]!.label);
      expect(theirs[i]!.score).toBeCloseTo(event.labels[0]!.probability, 4);
      i++;
    }
    expect(i).toBe(3);
    await classify.dispose();
  });

  test("token-classification", async () => {
    const rows = opinions(64).map(({ isBook }) => ({
      tokens: ["anna", "lives", "in", isBook ? "paris" : "a", "."],
      ner_tags: ["B-PER", "O", "O", isBook ? "B-LOC" : "O", "O"],
    }));
    const data = writeRows(at("rows"), "names.jsonl", rows);
    await run({ model: at("encoder"), data, task: "token-classification", epochs: 6 }, "tagger");
    const tag = await pipeline("token-classification", "tagger", { dtype: "fp32" });
    const theirs = (await tag(texts[2]!)) as { word: string; entity: string; score: number }[];
    expect(theirs.map(({ word, entity }) => [word, entity])).toEqual([
      ["anna", "B-PER"],
      ["paris", "B-LOC"],
    ]);
    for await (const event of predict({ model: at("tagger"), inputs: [texts[2]!] }))
      if (event.type === "entities") {
        expect(event.entities.map(({ text, label }) => [text, `B-${label}`])).toEqual(
          theirs.map(({ word, entity }) => [word, entity]),
        );
        for (const [i, { probability }] of event.entities.entries())
          expect(Math.abs(probability - theirs[i]!.score)).toBeLessThan(1e-4);
      }
    await tag.dispose();
  });

  test("fill-mask", async () => {
    const data = writeRows(
      at("rows"),
      "plain.jsonl",
      opinions(64).map(({ text }) => ({ text })),
    );
    await run({ model: at("encoder"), data, task: "fill-mask" }, "masks");
    const fill = await pipeline("fill-mask", "masks", { dtype: "fp32" });
    const theirs = (await fill("the [MASK] was good", { top_k: 2 })) as {
      token_str: string;
      score: number;
    }[];
    for await (const event of predict({ model: at("masks"), inputs: ["the [MASK] was good"], top: 2 }))
      if (event.type === "prediction") {
        expect(event.labels.map(({ label }) => label)).toEqual(theirs.map((one) => one.token_str));
        expect(event.labels[0]!.probability).toBeCloseTo(theirs[0]!.score, 4);
      }
    await fill.dispose();
  });

  test("text-generation, with the cache of keys and values", async () => {
    const data = writeRows(
      at("rows"),
      "stories.jsonl",
      opinions(64).map(({ text }) => ({ text })),
    );
    await run({ model: at("decoder"), data, task: "causal-lm", epochs: 20 }, "writer");
    await sameContinuation("writer", "the book", 6);
  });

  test.skipIf(!haveAssets)("text-generation of a real model (skipped without the real models)", async () => {
    await saveModel(await loadModel(assets("models/stories260k")), at("stories"));
    const tokenizer = await openTokenizer(assets("models/stories260k"));
    await copyTokenizer(assets("models/stories260k"), at("stories"), tokenizer);
    await tokenizer.close();
    await sameContinuation("stories", "Once upon a time", 40);
  });
});

/** Greedy decoding here and there gives the same text. */
async function sameContinuation(name: string, prompt: string, tokens: number): Promise<void> {
  const write = await pipeline("text-generation", name, { dtype: "fp32" });
  const [theirs] = (await write(prompt, { max_new_tokens: tokens, do_sample: false })) as {
    generated_text: string;
  }[];
  let ours = "";
  for await (const event of predict({
    model: at(name),
    inputs: [prompt],
    task: "causal-lm",
    maxNewTokens: tokens,
  }))
    if (event.type === "generated") ours = event.prompt + event.text;
  expect(ours.length).toBeGreaterThan(prompt.length);
  expect(ours).toBe(theirs!.generated_text);
  await write.dispose();
}

test("weights in files of their own are found, of every form", async () => {
  await run({ model: at("encoder"), data: rowsOfClasses(), task: "text-classification" }, "apart");
  const model = await loadModel(at("apart"), { whole: true });
  for (const form of ["onnx", "q4"] as const) {
    const { graph } = inFormat(inferenceGraph(model), form, { blocks: "symmetric" });
    const path = fileOfForm(at("apart"), form);
    await writeGraphFile(graph, { folder: at("apart"), path }, { externalAboveBytes: 0 });
  }
  const config = JSON.parse(readFileSync(at("apart/config.json"), "utf8"));
  expect(config["transformers.js_config"]).toEqual({
    dtype: "fp32",
    use_external_data_format: { "model.onnx": 1, "model_q4.onnx": 1 },
  });
  for (const [form, dtype] of [
    ["onnx", "fp32"],
    ["q4", "q4"],
  ] as const) {
    const classify = await pipeline("text-classification", "apart", { dtype });
    const theirs = (await classify(texts)) as { label: string; score: number }[];
    let i = 0;
    for await (const event of predict({ model: at("apart"), inputs: texts, form })) {
      if (event.type !== "prediction") continue;
      expect(theirs[i]!.score).toBeCloseTo(event.labels[0]!.probability, 4);
      i++;
    }
    expect(i).toBe(3);
    await classify.dispose();
  }
});
