import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadSafetensors } from "../../src/formats/safetensors.node.ts";
import {
  evaluate,
  exportModel,
  inspect,
  predict,
  type TuneInput,
  type TuneVerbEvent,
  tune,
} from "../../src/index.ts";
import { floatsOf } from "../../src/models/adapters/adapted.ts";
import { locateModel } from "../../src/models/hub/locate.node.ts";
import { assets, haveAssets } from "../assets.ts";
import { useOwnHome } from "../hub/own-home.ts";
import { opinions, writeRows, writeTinyEncoder } from "../text/tiny-text.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-adapter-model-"));
const at = (name: string) => join(folder, name);
useOwnHome();
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const events = async <T>(of: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const event of of) all.push(event);
  return all;
};
type Event = { readonly type: string };
const typed = <E extends Event, T extends E["type"]>(all: readonly E[], type: T) =>
  all.find((event): event is Extract<E, { type: T }> => event.type === type)!;

const settings = (name: string): Omit<TuneInput, "model"> => ({
  task: "text-classification",
  plan: "full",
  epochs: 3,
  batchSize: 8,
  data: at("rows"),
  out: at(name),
  run: at(`${name}-run`),
});

let first: Extract<TuneVerbEvent, { type: "saved" }>;

beforeAll(async () => {
  await writeTinyEncoder(at("base"));
  const rows = opinions(64).map(({ text, isGood }) => ({ text, label: isGood ? "good" : "bad" }));
  writeRows(at("rows"), "rows.jsonl", rows);
  const tuned = await events(
    tune({ ...settings("tuned"), model: at("base"), adapter: "lora", rank: 2 } as TuneInput),
  );
  first = typed(tuned, "saved");
}, 60_000);

const predicted = async (model: string) =>
  (await events(predict({ model, inputs: [at("rows/rows.jsonl")] }))).filter(
    ({ type }) => type === "prediction",
  );

test("an adapter's folder predicts, is measured and shown as the model that it was tuned into", async () => {
  const [ours, tuned] = [await predicted(at("tuned/adapter")), await predicted(at("tuned"))];
  expect(tuned.length).toBeGreaterThan(0);
  expect(JSON.stringify(ours).replace(/(\.\d{5})\d+/g, "$1")).toBe(
    JSON.stringify(tuned).replace(/(\.\d{5})\d+/g, "$1"),
  );
  const scores = async (model: string) =>
    typed(await events(evaluate({ model, data: at("rows") })), "evaluated" as never) as unknown as {
      readonly metrics: { readonly nll: number };
    };
  expect((await scores(at("tuned/adapter"))).metrics.nll).toBeCloseTo(
    (await scores(at("tuned"))).metrics.nll,
    4,
  );
  const shown = typed(await events(inspect({ model: at("tuned/adapter") })), "model");
  expect(shown.classes).toBe(2);
  expect(shown.notes.join(" ")).not.toContain("begin fresh");
});

test("tuning goes on with it: from where it was, to an adapter of the same base", async () => {
  const all = await events(tune({ ...settings("on"), model: at("tuned/adapter") } as TuneInput));
  const { notes } = typed(all, "found");
  expect(notes.join(" ")).toContain("LoRA (rank 2, alpha 4)");
  expect(notes.join(" ")).not.toContain("begin fresh");
  const saved = typed(all, "saved");
  const { before: begins, after } = saved;
  for (const [name, value] of Object.entries(first.after.metrics))
    expect(begins.metrics[name], name).toBeCloseTo(value as number, 4);
  expect(after.metrics).not.toEqual(begins.metrics);
  const config = JSON.parse(readFileSync(at("on/adapter/adapter_config.json"), "utf8"));
  expect(config.base_model_name_or_path).toBe(at("base"));
  const [before, later] = await Promise.all(
    ["tuned", "on"].map(
      async (name) => (await loadSafetensors(at(`${name}/adapter/adapter_model.safetensors`))).tensors,
    ),
  );
  expect([...later!.keys()].sort()).toEqual([...before!.keys()].sort());
  await expect(
    events(tune({ ...settings("other"), model: at("tuned/adapter"), adapter: "dora" } as TuneInput)),
  ).rejects.toThrow(expect.objectContaining({ code: "app/bad-option" }));
});

test("it is exported alone and merged, by itself and out of a tuned folder", async () => {
  await events(exportModel({ model: at("tuned"), to: ["adapter"], out: at("alone") }));
  await events(exportModel({ model: at("alone"), to: ["merged"], out: at("merged") }));
  const tensorsOf = async (path: string) => (await loadSafetensors(path)).tensors;
  const pairs = [
    [at("alone/adapter_model.safetensors"), at("tuned/adapter/adapter_model.safetensors")],
    [at("merged/model.safetensors"), at("tuned/model.safetensors")],
  ] as const;
  for (const [one, other] of pairs) {
    const [a, b] = await Promise.all([tensorsOf(one), tensorsOf(other)]);
    expect([...a.keys()].sort()).toEqual([...b.keys()].sort());
    for (const [name, tensor] of a)
      for (const [i, value] of floatsOf(tensor).entries())
        expect(Math.abs(value - floatsOf(b.get(name)!)[i]!), name).toBeLessThan(1e-6);
  }
  const wrong = exportModel({ model: at("base"), to: ["adapter"], out: at("none") });
  await expect(events(wrong)).rejects.toThrow("is no adapter");
  const within = exportModel({ model: at("tuned/adapter"), to: ["int8"] });
  await expect(events(within)).rejects.toThrow("a whole model has no place");
});

test("what names no base, or one that is not there, is refused with what to do", async () => {
  const path = at("alone/adapter_config.json");
  const config = JSON.parse(readFileSync(path, "utf8"));
  const located = async (base: string | null) => {
    writeFileSync(path, JSON.stringify({ ...config, base_model_name_or_path: base }));
    return locateModel(at("alone"));
  };
  await expect(located(null)).rejects.toThrow("does not say on which model");
  await expect(located("gone")).rejects.toThrow(/is for the model "gone", which is not found/);
  expect((await located("../base")).adapter?.base).toBe(at("base"));
});

describe.skipIf(!haveAssets)("adapters from the wild (need the assets)", () => {
  test("AdaLoRA is refused by name; another names its base", async () => {
    await expect(locateModel(assets("peft-adapters/regression/adalora_mlp/0.6.1"))).rejects.toThrow(
      "ADALORA",
    );
    await expect(locateModel(assets("peft-adapters/trl-kto-anthropic-hh"))).rejects.toThrow(
      'is for the model "gpt2"',
    );
  });
});
