import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { float32 } from "../../src/graph/tensor.ts";
import { tune } from "../../src/index.ts";
import { floatsOf } from "../../src/models/adapters/adapted.ts";
import { attachAdapter } from "../../src/models/adapters/attach.ts";
import { mergedValues } from "../../src/models/adapters/merge.ts";
import { loadPeftAdapter, savePeftAdapter } from "../../src/models/adapters/peft.node.ts";
import { openNetwork } from "../../src/models/open-network.node.ts";
import { useOwnHome } from "../hub/own-home.ts";
import { opinions, writeRows, writeTinyDecoder } from "../text/tiny-text.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-tied-"));
const at = (name: string) => join(folder, name);
useOwnHome();
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("tuning goes on with an adapter for which tied tables are apart: they stay so, and it fits the base", async () => {
  await writeTinyDecoder(at("base"), 16, { tie_word_embeddings: true, rope_theta: 5000 });
  // as Python spells a real number that is whole
  const config = readFileSync(at("base/config.json"), "utf8").replace(
    '"rope_theta": 5000',
    '"rope_theta": 5000.0',
  );
  writeFileSync(at("base/config.json"), config);
  const base = await openNetwork(at("base"), { seed: 0 });
  expect(base.parameters.map(({ name }) => name)).not.toContain("lm_head.weight");
  const start = attachAdapter(base, { method: "lora", rank: 2, modulesToSave: ["embed_tokens"] });
  const [table] = start.adapter.saved;
  const { dims } = start.graph.get(table!).constant!;
  const values = floatsOf(start.graph.get(table!).constant!).map((value, i) => value + (i % 7) / 50);
  start.graph.setConstant(start.graph.get(table!), float32(dims, values));
  await savePeftAdapter(at("adapter"), start, { baseName: at("base") });
  const data = writeRows(
    at("rows"),
    "rows.jsonl",
    opinions(32).map(({ text }) => ({ text })),
  );
  const options = {
    model: at("adapter"),
    data,
    task: "causal-lm",
    plan: "full",
    epochs: 1,
    batchSize: 8,
  } as const;
  for await (const _ of tune({ ...options, out: at("on"), run: at("on-run") }));
  expect(JSON.parse(readFileSync(at("on/config.json"), "utf8")).tie_word_embeddings).toBe(false);
  for (const file of ["on/config.json", "on/adapter/config.json"])
    expect(readFileSync(at(file), "utf8")).toContain('"rope_theta": 5000.0');
  const tuned = await openNetwork(at("on"), { seed: 0 });
  const again = mergedValues(await loadPeftAdapter(at("on/adapter"), base));
  expect([...again.keys()]).toEqual(expect.arrayContaining([table, "lm_head.weight"]));
  for (const [name, wanted] of again) {
    const found = floatsOf(tuned.graph.get(name).constant!);
    expect(found.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i]!)), 0)).toBeLessThan(
      1e-6,
    );
  }
  expect(floatsOf(tuned.graph.get("lm_head.weight").constant!)).not.toEqual(
    floatsOf(tuned.graph.get(table!).constant!),
  );
});
