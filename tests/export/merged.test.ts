import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env, pipeline } from "@huggingface/transformers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadSafetensors } from "../../src/formats/safetensors.node.ts";
import { exportModel, tune } from "../../src/index.ts";
import { floatsOf } from "../../src/models/export/few-bits.ts";
import { opinions, writeRows, writeTinyDecoder } from "../text/tiny-text.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-export-merged-"));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(async () => {
  await writeTinyDecoder(at("decoder"));
  mkdirSync(at("decoder/1_Pooling"));
  writeFileSync(at("decoder/1_Pooling/config.json"), "{}");
  const rows = opinions(32).map(({ text }) => ({ text }));
  const data = writeRows(at("rows"), "stories.jsonl", rows);
  const settings = { task: "causal-lm", adapter: "lora", plan: "full", epochs: 2, batchSize: 8 } as const;
  for await (const _ of tune({ ...settings, model: at("decoder"), data, out: at("tuned"), run: at("run") }));
}, 60_000);

async function messages(options: Parameters<typeof exportModel>[0]): Promise<string[]> {
  const said: string[] = [];
  for await (const event of exportModel(options))
    if (event.type === "note") said.push(event.message);
    else if (event.type === "exported") said.push(event.format);
  return said;
}

test("a base with its adapter becomes the folder that tuning wrote, and runs", async () => {
  const said = await messages({
    model: at("decoder"),
    adapter: at("tuned/adapter"),
    out: at("merged"),
    to: ["merged", "int8"],
    run: at("none"),
  });
  expect(said[0]).toMatch(
    /^The adapter is merged into the weights: outputs differ by \S+ of the largest number at most\.$/,
  );
  expect(said.filter((one) => !one.includes(" "))).toEqual(["merged", "int8"]);
  const [ours, tuned, base] = await Promise.all(
    ["merged", "tuned", "decoder"].map(
      async (name) => (await loadSafetensors(at(`${name}/model.safetensors`))).tensors,
    ),
  );
  expect([...ours!.keys()].sort()).toEqual([...tuned!.keys()].sort());
  let moved = 0;
  for (const [name, tensor] of ours!) {
    const [a, b, c] = [tensor, tuned!.get(name)!, base!.get(name)!].map(floatsOf);
    a!.forEach((value, i) => {
      expect(Math.abs(value - b![i]!), name).toBeLessThan(1e-6);
    });
    if (a!.some((value, i) => value !== c![i])) moved++;
  }
  expect(moved).toBeGreaterThan(0);
  expect(existsSync(at("merged/tokenizer.json"))).toBe(true);
  expect(existsSync(at("merged/1_Pooling/config.json"))).toBe(true);
});

test("what is merged is not replaced by it", async () => {
  const given = { adapter: at("tuned/adapter"), force: true };
  for (const out of ["tuned", "decoder"])
    await expect(
      messages({ ...given, to: ["merged"], model: at("decoder"), out: at(out) }),
    ).rejects.toMatchObject({
      code: "app/overlapping-folders",
    });
  expect(existsSync(at("tuned/adapter/adapter_config.json"))).toBe(true);
});

test.each(["fp32", "q8"] as const)("transformers.js goes on with a text in %s", async (dtype) => {
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = folder;
  const write = await pipeline("text-generation", "merged", { dtype });
  const [said] = (await write("the book", { max_new_tokens: 4, do_sample: false })) as {
    generated_text: string;
  }[];
  await write.dispose();
  expect(said!.generated_text.startsWith("the book")).toBe(true);
});

test("an adapter needs a folder of its own, and merging needs an adapter", async () => {
  const refused = { code: "app/bad-option" };
  const wrong = [
    { to: ["merged" as const] },
    { adapter: at("tuned/adapter"), to: ["merged" as const] },
    { adapter: at("tuned/adapter"), out: at("other") },
  ];
  for (const options of wrong)
    await expect(messages({ model: at("decoder"), ...options })).rejects.toThrow(
      expect.objectContaining(refused),
    );
});
