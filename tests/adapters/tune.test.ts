import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { loadSafetensors } from "../../src/formats/safetensors.node.ts";
import { resume, type TuneInput, type TuneVerbEvent, tune } from "../../src/index.ts";
import { floatsOf } from "../../src/models/adapters/adapted.ts";
import { mergeAdapter } from "../../src/models/adapters/merge.ts";
import { loadPeftAdapter } from "../../src/models/adapters/peft.node.ts";
import { adapterMethodNames } from "../../src/models/adapters/spec.ts";
import { loadModel } from "../../src/models/load.node.ts";
import { eventsOf, policyFolder, savedOf, scoresOf } from "../custom/tools.ts";

const { at, base } = policyFolder();
const short = { epochs: 6, learningRate: 2e-2 } as const;

const weightsOf = async (name: string) => {
  const { tensors } = await loadSafetensors(at(name, "model.safetensors"));
  return new Map([...tensors].map(([key, tensor]) => [key, floatsOf(tensor)]));
};

describe.each(adapterMethodNames)("tuned by %s", (adapter) => {
  test("a graph learns, and the saved one is plain and judged as it is", async () => {
    const saved = await savedOf(base(adapter, { ...short, adapter, rank: 2 }));
    expect(saved.after.metrics["loss"]).toBeLessThan(0.8 * saved.before.metrics["loss"]!);
    const again = await scoresOf({ model: at(adapter), data: at("train.npz") });
    expect(again.metrics["loss"]).toBeGreaterThan(0);
    expect(existsSync(at(adapter, "adapter/adapter_config.json"))).toBe(adapter !== "bitfit");
    const result = JSON.parse(readFileSync(at(`${adapter}-run`, "result.json"), "utf8"));
    expect(result.notes.join(" ")).toMatch(/merged into the weights: outputs differ by \S+e-|differ by 0\.0/);
  });
});

test("the adapter's folder on the base is the merged model", async () => {
  await savedOf(base("both", { ...short, adapter: "lora", rank: 2 }));
  const model = await loadModel(at("policy.onnx"), { whole: true });
  const merged = mergeAdapter(await loadPeftAdapter(at("both", "adapter"), model));
  for (const [name, values] of await weightsOf("both")) {
    const other = floatsOf(merged.graph.get(name).constant!);
    expect(other).toHaveLength(values.length);
    for (const [i, value] of values.entries()) expect(Math.abs(other[i]! - value)).toBeLessThan(1e-6);
  }
});

test("frozen weights in int8 reach what float32 does", async () => {
  const adapter = {
    ...short,
    adapter: "lora" as const,
    rank: 2,
    targetModules: ["body.0", "body.1"],
  } satisfies Partial<TuneInput>;
  const exact = await savedOf(base("exact", adapter));
  const events = await eventsOf(base("int8", { ...adapter, frozenWeights: "int8" }));
  const int8 = events.at(-1) as typeof exact;
  expect(int8.after.metrics["loss"]! / exact.after.metrics["loss"]!).toBeLessThan(1.2);
  expect((events[0] as Extract<TuneVerbEvent, { type: "found" }>).notes.join(" ")).toContain("held as int8");
});

test.each([
  { adapter: "lora", adapterDropout: 0.2 },
  { adapter: "pissa", frozenWeights: "int8" },
] as const)("a stopped run goes on to the very same weights: $adapter", async (how) => {
  const options = { ...short, epochs: 2, rank: 2, ...how };
  const name = (part: string) => `${how.adapter}-${part}`;
  await savedOf(base(name("whole"), options));
  const stop = new AbortController();
  for await (const event of tune(base(name("parts"), options), { signal: stop.signal }))
    if (event.type === "step" && event.step === 5) stop.abort();
  let end: TuneVerbEvent | undefined;
  for await (const event of resume({ run: at(`${name("parts")}-run`) })) end = event;
  expect(end?.type).toBe("saved");
  expect(await weightsOf(name("parts"))).toEqual(await weightsOf(name("whole")));
});

test("frozen weights of few bits ask for an adapter", async () => {
  const events = tune(base("none", { frozenWeights: "int4" }));
  await expect(events.next()).rejects.toThrow("without an adapter");
});
