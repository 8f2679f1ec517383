import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { loadSafetensors } from "../../src/formats/safetensors.node.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { floatsOf } from "../../src/models/adapters/adapted.ts";
import { attachAdapter } from "../../src/models/adapters/attach.ts";
import { mergeAdapter } from "../../src/models/adapters/merge.ts";
import { loadPeftAdapter, openPeftBase, savePeftAdapter } from "../../src/models/adapters/peft.node.ts";
import type { Model } from "../../src/models/model.ts";
import { openNetwork } from "../../src/models/open-network.node.ts";
import { cpuRuntime } from "../../src/runtime/cpu.node.ts";
import type { HostTensor } from "../../src/runtime/runtime.ts";

const fixtures = fileURLToPath(new URL("../fixtures", import.meta.url));
const root = join(fixtures, "adapters-read");
const folderOf = (base: string) => join(fixtures, "architectures", base);
const scratch = mkdtempSync(join(tmpdir(), "diapason-peft-read-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const runtime = await cpuRuntime();
afterAll(() => runtime.dispose());

type Reference = ReadonlyMap<string, Tensor>;

async function logitsOf(model: Model, reference: Reference): Promise<Float32Array> {
  const executable = await runtime.compile(model.graph);
  const feeds = model.graph.inputs
    .filter((value) => !value.constant)
    .map(({ name }): [string, HostTensor] => {
      const given = reference.get(name);
      const { dims, data } = given ?? reference.get("input_ids")!;
      const { buffer } = Uint8Array.from(data.read());
      if (given?.dtype === "float32")
        return [name, { dtype: "float32", dims, data: new Float32Array(buffer) }];
      const ids = new BigInt64Array(buffer);
      return [name, { dtype: "int64", dims, data: given ? ids : ids.fill(0n) }];
    });
  const { logits } = await executable.run(Object.fromEntries(feeds));
  await executable.dispose();
  return logits!.data as Float32Array;
}

/** Largest difference as a share of the largest logit. */
function difference(a: Float32Array, b: Float32Array): number {
  expect(a).toHaveLength(b.length);
  const largest = b.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0) / largest;
}

/** The folder of the base that a case was made for. */
function baseOf(name: string): string {
  const config = JSON.parse(readFileSync(join(root, name, "adapter_config.json"), "utf8"));
  return folderOf(config.base_model_name_or_path.split("/").at(-1));
}

describe.each(readdirSync(root))("%s, written by PEFT", (name) => {
  test("has PEFT's logits: adapted, merged, written again, and on the base that it names", async () => {
    const folder = join(root, name);
    const { tensors: reference } = await loadSafetensors(join(folder, "reference.safetensors"));
    const wanted = floatsOf(reference.get("logits")!);
    const base = await openNetwork(baseOf(name), { seed: 0 });
    expect(difference(await logitsOf(base, reference), wanted)).toBeGreaterThan(1e-3);
    const adapted = await loadPeftAdapter(folder, base);
    expect(difference(await logitsOf(adapted, reference), wanted)).toBeLessThan(1e-5);
    expect(difference(await logitsOf(mergeAdapter(adapted), reference), wanted)).toBeLessThan(1e-5);
    const again = join(scratch, name);
    await savePeftAdapter(again, adapted);
    const opened = (await openPeftBase(again, baseOf(name))) ?? base;
    const readAgain = await loadPeftAdapter(again, opened);
    expect(difference(await logitsOf(readAgain, reference), wanted)).toBeLessThan(1e-5);
    const keys = async (path: string) =>
      [...(await loadSafetensors(join(path, "adapter_model.safetensors"))).tensors.keys()]
        .filter((key) => !/\.(modules_to_save|original_module|base_layer)\./.test(key))
        .sort();
    const written = await keys(again);
    expect(await keys(folder)).toEqual(
      expect.arrayContaining(written.filter((key) => key.includes("lora_"))),
    );
  });
});

const configOf = async (folder: string) =>
  JSON.parse(readFileSync(join(folder, "adapter_config.json"), "utf8")) as Record<string, unknown>;
const keysOf = async (folder: string) => [
  ...(await loadSafetensors(join(folder, "adapter_model.safetensors"))).tensors.keys(),
];

test("modules are written as today's transformers calls them, and named either way", async () => {
  const base = await openNetwork(folderOf("vit"), { seed: 0 });
  const wanted = ["q_proj", "v_proj"];
  for (const [i, targetModules] of [undefined, wanted, ["query", "value"]].entries()) {
    const folder = join(scratch, `vit-${i}`);
    await savePeftAdapter(folder, attachAdapter(base, { method: "lora", targetModules }));
    expect((await configOf(folder))["target_modules"]).toEqual(wanted);
    expect(await keysOf(folder)).toContain("base_model.model.vit.layers.0.attention.q_proj.lora_A.weight");
  }
});

test("a tied table that is tuned as a whole is written as the two that PEFT makes of it", async () => {
  const base = await openNetwork(folderOf("llama-tied"), { seed: 0 });
  const folder = join(scratch, "tied");
  await savePeftAdapter(folder, attachAdapter(base, { method: "lora", modulesToSave: ["embed_tokens"] }));
  const { modules_to_save: saved } = await configOf(folder);
  expect(saved).toEqual(["model.embed_tokens", "lm_head"]);
  expect(await keysOf(folder)).toEqual(
    expect.arrayContaining(["base_model.model.model.embed_tokens.weight", "base_model.model.lm_head.weight"]),
  );
  const model = mergeAdapter(await loadPeftAdapter(folder, base));
  expect(model.config["tie_word_embeddings"]).toBe(false);
  expect(model.parameters.map(({ name }) => name)).toContain("lm_head.weight");
});

test("an end of a path that means a module which holds others is not written", async () => {
  const base = await openNetwork(folderOf("resnet"), { seed: 0 });
  const folder = join(scratch, "resnet-head");
  const method = { method: "lora", targetModules: ["classifier.1"], modulesToSave: [] } as const;
  const spec = { ...method, modulesToSave: ["resnet.embedder.embedder.convolution"] };
  await savePeftAdapter(folder, attachAdapter(base, spec));
  expect((await configOf(folder))["target_modules"]).toEqual(["classifier.1"]);
});

test.each([
  ["kasa_config", { kasa_config: { beta: 0.1 } }, /sets "kasa_config"/],
  ["OLoRA in other letters", { init_lora_weights: "OLoRA" }, /init_lora_weights "olora"/],
])("%s is refused by name", async (_, more, message) => {
  const folder = mkdtempSync(join(scratch, "refused-"));
  const config = { peft_type: "LORA", r: 4, target_modules: ["query"], ...more };
  writeFileSync(join(folder, "adapter_config.json"), JSON.stringify(config));
  const base = await openNetwork(folderOf("bert"), { seed: 0 });
  await expect(loadPeftAdapter(folder, base)).rejects.toThrow(message);
});
