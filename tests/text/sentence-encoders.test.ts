import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { inputNames, only, pruneTo } from "../../src/app/text/judging.ts";
import { openTextModel, openTextTokenizer } from "../../src/app/text/open.node.ts";
import { readSentenceModules } from "../../src/app/text/sentence-modules.node.ts";
import { similarityJob } from "../../src/app/text/similarity-job.node.ts";
import { collateGroups, groupFeeds } from "../../src/app/text/text-groups.ts";
import { loadSafetensors } from "../../src/formats/safetensors.node.ts";
import { exportModel, predict, type Saved, tune } from "../../src/index.ts";
import { floatsOf } from "../../src/models/adapters/adapted.ts";
import { cpuRuntime } from "../../src/runtime/cpu.node.ts";
import { writeRows } from "./tiny-text.ts";

const root = fileURLToPath(new URL("../fixtures/sentence-encoders", import.meta.url));
const cases = readdirSync(root).filter((name) => name !== "base");
const scratch = mkdtempSync(join(tmpdir(), "diapason-sentences-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const runtime = await cpuRuntime();
afterAll(() => runtime.dispose());

interface Expected {
  readonly texts: readonly string[];
  readonly vectors: readonly (readonly number[])[];
}
const expectedOf = (name: string) =>
  JSON.parse(readFileSync(join(root, name, "expected.json"), "utf8")) as Expected;

/** A case's files over the network that all of them share. */
function folderOf(name: string): string {
  const folder = mkdtempSync(join(scratch, `${name}-`));
  for (const from of ["base", name]) cpSync(join(root, from), folder, { recursive: true });
  return folder;
}

async function vectorsOf(model: string, inputs: readonly string[], more: object = {}): Promise<number[][]> {
  const vectors: number[][] = [];
  for await (const event of predict({ model, inputs: [...inputs], task: "sentence-similarity", ...more }))
    if (event.type === "outputs") vectors.push(event.outputs["embedding"] as number[]);
  return vectors;
}

const unit = (vector: readonly number[]) => {
  const length = Math.hypot(...vector);
  return vector.map((x) => x / length);
};

function expectNear(
  found: readonly (readonly number[])[],
  wanted: readonly (readonly number[])[],
  digits = 5,
) {
  expect(found.map((vector) => vector.length)).toEqual(wanted.map((vector) => vector.length));
  for (const [i, vector] of found.entries())
    for (const [k, value] of vector.entries()) expect(value).toBeCloseTo(wanted[i]![k]!, digits);
}

describe.each(cases)("%s", (name) => {
  const { texts, vectors } = expectedOf(name);

  test("predict gives sentence-transformers' vectors", async () => {
    expectNear(await vectorsOf(folderOf(name), texts), vectors);
  });

  test("a graph for training does, at length 1", async () => {
    const folder = folderOf(name);
    const { maxTokens: most } = await readSentenceModules(folder);
    const { tokenizer, maxTokens } = await openTextTokenizer(folder, most);
    const context = {
      folder,
      shape: "pair",
      classes: [],
      labels: undefined,
      labelSmoothing: 0,
      turns: "all",
      seed: 0,
    } as const;
    const job = await similarityJob({ ...context, tokenizer, maxTokens });
    const model = await openTextModel(folder, job, runtime, { seed: 0 });
    const rows = texts.map((text, i) => ({
      id: `${i}`,
      file: "",
      line: i,
      fields: {},
      values: { text, pair: text },
    }));
    const examples = await job.encode(rows);
    const graph = model.graph.clone();
    const { outputs } = job.attach(graph, model);
    const pruned = pruneTo(graph, outputs);
    const executable = await runtime.compile(pruned);
    const all = groupFeeds(collateGroups(examples, tokenizer), examples.length);
    const feeds = only(all, inputNames(pruned));
    const { data, dims } = Object.values(await executable.run(feeds, { outputs }))[0]!;
    await executable.dispose();
    await tokenizer.close();
    const width = dims.at(-1)!;
    const found = texts.map((_, i) => [
      ...(data as Float32Array).subarray(2 * i * width, (2 * i + 1) * width),
    ]);
    expectNear(found, vectors.map(unit));
  });
});

test("Dense layers are tuned, written and read again", async () => {
  const model = folderOf("dense-twice");
  const pairs = Array.from({ length: 32 }, (_, i) => ({
    anchor: `the ${i % 2 ? "book" : "film"} was ${i % 4 < 2 ? "good" : "bad"}`,
    positive: `a ${i % 4 < 2 ? "fine" : "poor"} ${i % 2 ? "book" : "film"}`,
  }));
  const data = writeRows(join(scratch, "pairs"), "train.jsonl", pairs);
  const options = { model, data, task: "sentence-similarity", epochs: 2, batchSize: 8 } as const;
  let saved: Saved | undefined;
  const out = join(scratch, "tuned");
  const run = { ...options, plan: "full", learningRate: 1e-2, out, run: join(scratch, "run") } as const;
  for await (const event of tune(run)) if (event.type === "saved") saved = event;
  expect(saved!.after.metrics["loss"]).not.toBe(saved!.before.metrics["loss"]);
  for (const path of ["2_Dense", "3_Dense"]) {
    const read = async (folder: string) =>
      (await loadSafetensors(join(folder, path, "model.safetensors"))).tensors;
    const [before, after] = [await read(model), await read(out)];
    expect([...after.keys()].sort()).toEqual([...before.keys()].sort());
    for (const [key, tensor] of after) expect(floatsOf(tensor)).not.toEqual(floatsOf(before.get(key)!));
  }
  const { tensors } = await loadSafetensors(join(out, "model.safetensors"));
  expect([...tensors.keys()].filter((key) => key.includes("Dense"))).toEqual([]);
  for (const name of [
    "modules.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
    "3_Dense/config.json",
  ])
    expect(readFileSync(join(out, name), "utf8")).toBe(readFileSync(join(model, name), "utf8"));
  expect(existsSync(join(out, "4_Normalize"))).toBe(true);
  // the layers that were written are those that were judged
  const { texts } = expectedOf("dense-twice");
  const vectors = await vectorsOf(out, texts);
  rmSync(join(out, "3_Dense/model.safetensors"));
  cpSync(join(model, "3_Dense/model.safetensors"), join(out, "3_Dense/model.safetensors"));
  const others = await vectorsOf(out, texts);
  expect(others[0]!.some((value, i) => Math.abs(value - vectors[0]![i]!) > 1e-3)).toBe(true);
});

test("an exported form has the same vectors through the same layers", async () => {
  const model = folderOf("dense");
  for await (const _ of exportModel({ model, to: ["fp16"], out: join(scratch, "half") }));
  const { texts, vectors } = expectedOf("dense");
  const form = readdirSync(join(scratch, "half"), { recursive: true, encoding: "utf8" });
  expect(form.filter((name) => name.startsWith("2_Dense/")).sort()).toEqual([
    "2_Dense/config.json",
    "2_Dense/model.safetensors",
  ]);
  expectNear(await vectorsOf(join(scratch, "half"), texts, { form: "fp16" }), vectors, 2);
});

describe("refused by name", () => {
  const change = (folder: string, name: string, how: (content: never) => unknown) => {
    const path = join(folder, name);
    const content = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify(how(content as never)));
  };
  type Fields = Record<string, unknown>;
  test.each<[string, string, (content: never) => unknown, RegExp]>([
    [
      "an unknown pooling",
      "1_Pooling/config.json",
      (c: Fields) => ({ ...c, pooling_mode: "attention" }),
      /pools by "attention"/,
    ],
    [
      "an unknown activation",
      "2_Dense/config.json",
      (c: Fields) => ({ ...c, activation_function: "torch.nn.modules.activation.Softsign" }),
      /activation "torch\.nn\.modules\.activation\.Softsign"/,
    ],
    [
      "a Dense of tokens",
      "2_Dense/config.json",
      (c: Fields) => ({ ...c, module_input_name: "token_embeddings" }),
      /Dense of tokens: "token_embeddings"/,
    ],
    ["a residual", "2_Dense/config.json", (c: Fields) => ({ ...c, use_residual: true }), /use_residual/],
    [
      "another module",
      "modules.json",
      (c: Fields[]) => [
        ...c,
        { idx: 4, path: "4_LayerNorm", type: "sentence_transformers.models.LayerNorm" },
      ],
      /module "LayerNorm" as number 5 \(4_LayerNorm\)/,
    ],
    [
      "a module outside of the folder",
      "modules.json",
      (c: Fields[]) => [...c, { idx: 4, path: "../3_Dense", type: "sentence_transformers.models.Normalize" }],
      /"\.\.\/3_Dense", which is no folder inside/,
    ],
    [
      "a module that is nothing",
      "modules.json",
      (c: Fields[]) => [...c, null],
      /module "undefined" as number 5/,
    ],
    [
      "words of static vectors",
      "modules.json",
      () => [{ idx: 0, path: "", type: "sentence_transformers.models.StaticEmbedding" }],
      /"StaticEmbedding" as number 1/,
    ],
    [
      "sizes that the weights do not have",
      "2_Dense/config.json",
      (c: Fields) => ({ ...c, out_features: 9 }),
      /\[8, 16\]; its config\.json makes it \[9, 16\]/,
    ],
    [
      "a prompt that is not pooled",
      "config_sentence_transformers.json",
      (c: Fields) => ({ ...c, prompts: { q: "q: " }, default_prompt_name: "q" }),
      /include_prompt/,
    ],
  ])("%s", async (what, name, how, message) => {
    const folder = folderOf("dense");
    if (what.includes("not pooled"))
      change(folder, "1_Pooling/config.json", (c: Fields) => ({ ...c, include_prompt: false }));
    change(folder, name, how);
    await expect(readSentenceModules(folder)).rejects.toThrow(message);
  });
});
