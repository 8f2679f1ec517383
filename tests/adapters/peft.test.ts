import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { DiapasonError } from "../../src/base/errors.ts";
import { loadSafetensors } from "../../src/formats/safetensors.node.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { type AdaptedModel, floatsOf } from "../../src/models/adapters/adapted.ts";
import { attachAdapter } from "../../src/models/adapters/attach.ts";
import { mergeAdapter } from "../../src/models/adapters/merge.ts";
import { loadPeftAdapter, openPeftBase, savePeftAdapter } from "../../src/models/adapters/peft.node.ts";
import { wholeModules } from "../../src/models/adapters/peft-tensors.ts";
import type { Model } from "../../src/models/model.ts";
import { openNetwork } from "../../src/models/open-network.node.ts";
import { cpuRuntime } from "../../src/runtime/cpu.node.ts";
import type { HostTensor } from "../../src/runtime/runtime.ts";
import { tuneLoop } from "../../src/tune/loop.ts";

const root = fileURLToPath(new URL("../fixtures/adapters", import.meta.url));
const base = () =>
  openNetwork(fileURLToPath(new URL("../fixtures/architectures/bert", import.meta.url)), { seed: 0 });
const cases = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);
const withAdapter = cases.filter((name) => name !== "bitfit");

const scratch = mkdtempSync(join(tmpdir(), "diapason-peft-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const runtime = await cpuRuntime();
afterAll(() => runtime.dispose());

const host = ({ dtype, dims, data }: Tensor): HostTensor => {
  const bytes = Uint8Array.from(data.read());
  if (dtype === "int64") return { dtype, dims, data: new BigInt64Array(bytes.buffer) };
  return { dtype: "float32", dims, data: new Float32Array(bytes.buffer) };
};

const inputs = ["input_ids", "attention_mask", "token_type_ids"] as const;
type Reference = ReadonlyMap<string, Tensor>;
const batchOf = (reference: Reference, i: number, names: readonly string[] = inputs) =>
  Object.fromEntries(names.map((name) => [name, host(reference.get(`${i}.${name}`)!)]));
const referenceOf = async (name: string): Promise<Reference> =>
  (await loadSafetensors(join(root, name, "reference.safetensors"))).tensors;

async function logitsOf(model: Model, reference: Reference): Promise<Float32Array> {
  const executable = await runtime.compile(model.graph);
  const { logits } = await executable.run(batchOf(reference, 0));
  await executable.dispose();
  return logits!.data as Float32Array;
}

const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

describe.each(withAdapter)("%s, written by PEFT", (name) => {
  test.each(["start", "end"])("gives PEFT's logits, merged too: %s", async (when) => {
    const reference = await referenceOf(name);
    const adapted = await loadPeftAdapter(join(root, name, when), await base());
    const wanted = floatsOf(reference.get(`logits.${when}`)!);
    expect(largestDifference(await logitsOf(adapted, reference), wanted)).toBeLessThan(2e-6);
    expect(largestDifference(await logitsOf(mergeAdapter(adapted), reference), wanted)).toBeLessThan(2e-6);
  });

  test("written again it holds the same", async () => {
    const folder = join(scratch, name);
    const adapted = await loadPeftAdapter(join(root, name, "end"), await base());
    expect(await savePeftAdapter(folder, adapted)).toBe(true);
    const reference = await referenceOf(name);
    const again = await loadPeftAdapter(folder, await base());
    const wanted = await logitsOf(adapted, reference);
    expect(largestDifference(await logitsOf(again, reference), wanted)).toBeLessThan(1e-6);
    const shapes = async (path: string) => {
      const { tensors } = await loadSafetensors(join(path, "adapter_model.safetensors"));
      return [...tensors]
        .filter(([key]) => !/\.(modules_to_save|original_module)\./.test(key))
        .map(([key, { dims }]) => `${key} [${dims.join(", ")}]`)
        .sort();
    };
    const ours = await shapes(folder);
    const theirs = await shapes(join(root, name, "end"));
    const twice = (text: string) =>
      text.replace(/(lora_A\S*) \[4,/, "$1 [8,").replace(/(lora_B\S*) (.*) 4\]/, "$1 $2 8]");
    expect(ours).toEqual(name === "pissa" ? theirs.map(twice) : theirs);
  });
});

/** The network with the mean cross-entropy of its logits against the input `labels`. */
function withLoss(model: Model) {
  const graph = model.graph.clone();
  const g = new GraphBuilder(graph);
  const labels = graph.addInput("labels", "int64", ["batch"]);
  const logits = graph.get("logits");
  const loss = g.op("SoftmaxCrossEntropyLoss", [logits, labels], { reduction: "mean" }, ["loss"]);
  graph.addOutput(loss);
  const { parameters, blocks } = model;
  return { graph, loss: "loss", outputs: ["logits"], parameters, blocks };
}

describe.each(cases)("%s, trained", (name) => {
  test("has the losses of PEFT and PyTorch over 50 steps", async () => {
    const reference = await referenceOf(name);
    const model = await startOf(name);
    const count = 4;
    const names = [...inputs, "labels"];
    const data = {
      size: 4 * count,
      async *batches({ skip = 0 }) {
        for (let i = skip; i < count; i++)
          yield { ids: ["a", "b", "c", "d"].map((id) => `${i}${id}`), inputs: batchOf(reference, i, names) };
      },
    };
    const stage = {
      name: "all",
      blocks: model.blocks.map((block) => block.name),
      multipliers: {},
      epochs: 12.5,
      learningRate: 5e-3,
      schedule: { kind: "constant" },
      batchNorm: "frozen",
    } as const;
    const run = tuneLoop({
      model: withLoss(model),
      plan: { name: "all", stages: [stage] },
      data,
      runtime,
      seed: 0,
      batchSize: 4,
      weightDecay: 0.01,
    });
    const losses: number[] = [];
    let next = await run.next();
    for (; !next.done; next = await run.next()) if (next.value.type === "step") losses.push(next.value.loss);
    const wanted = floatsOf(reference.get("losses")!);
    expect(losses).toHaveLength(50);
    expect(largestDifference(losses, wanted)).toBeLessThan(1e-4);
    const merged = mergeAdapter(model, next.value.values);
    const end = floatsOf(reference.get("logits.end")!);
    expect(largestDifference(await logitsOf(merged, reference), end)).toBeLessThan(2e-3);
  });
});

/** The adapter as PEFT began with it, made to move as the case says. */
async function startOf(name: string): Promise<AdaptedModel> {
  if (name === "bitfit") return attachAdapter(await base(), { method: "bitfit" });
  const model = await loadPeftAdapter(join(root, name, "start"), await base());
  if (name !== "lora-plus") return model;
  // the file does not say how fast B moves
  const fast = attachAdapter(await base(), {
    method: "lora-plus",
    rank: 4,
    alpha: 6,
    rateRatio: 4,
    targetModules: ["query", "value"],
  });
  for (const { name: parameter } of fast.parameters)
    fast.graph.setConstant(fast.graph.get(parameter), model.graph.get(parameter).constant!);
  return fast;
}

test("a head of several layers is one module to PEFT", () => {
  const all = [
    "body.dense.weight",
    "body.pooler.weight",
    "classifier.dense.weight",
    "classifier.out_proj.bias",
    "fc.bias",
  ];
  expect(wholeModules(all.slice(2), all)).toEqual(["classifier", "fc"]);
  expect(wholeModules(["body.pooler.weight", "classifier.dense.weight"], all)).toEqual([
    "body.pooler",
    "classifier.dense",
  ]);
});

test("a base without the head that an adapter is for gets one, with the adapter's classes", async () => {
  const folder = join(root, "lora/end");
  const network = await openPeftBase(
    folder,
    fileURLToPath(new URL("../fixtures/architectures/bert-features", import.meta.url)),
  );
  expect([network!.labels?.length, network!.network!.head]).toEqual([3, "sequence-classification"]);
  expect([...network!.network!.fresh]).toContain("classifier.weight");
  const adapted = await loadPeftAdapter(folder, network!);
  const { tensors } = await loadSafetensors(join(folder, "adapter_model.safetensors"));
  const wanted = floatsOf(tensors.get("base_model.model.classifier.weight")!);
  expect(floatsOf(adapted.graph.get("classifier.weight").constant!)).toEqual(wanted);
  // a base that has it stays as it is
  const own = fileURLToPath(new URL("../fixtures/architectures/bert", import.meta.url));
  expect((await openPeftBase(folder, own))!.network!.fresh.size).toBe(0);
});

describe("what cannot be read", () => {
  const config = { peft_type: "LORA", r: 4, target_modules: ["query"] };
  async function error(parts: {
    readonly config?: object | string;
    readonly from?: string;
  }): Promise<DiapasonError> {
    const folder = mkdtempSync(join(scratch, "bad-"));
    const { config: given = config, from = "lora/start" } = parts;
    const text = typeof given === "string" ? given : JSON.stringify(given);
    writeFileSync(join(folder, "adapter_config.json"), text);
    const weights = join(root, from, "adapter_model.safetensors");
    if (existsSync(weights)) writeFileSync(join(folder, "adapter_model.safetensors"), readFileSync(weights));
    const thrown = await loadPeftAdapter(folder, await base()).catch((cause: unknown) => cause);
    if (thrown instanceof DiapasonError) return thrown;
    throw new Error("nothing was thrown", { cause: thrown });
  }

  test("types and settings that mean something else are named", async () => {
    expect((await error({ config: { ...config, peft_type: "ADALORA" } })).message).toContain('"ADALORA"');
    expect((await error({ config: { ...config, peft_type: "constructor" } })).code).toBe(
      "models/unsupported-adapter",
    );
    for (const key of ["lora_bias", "use_qalora", "layer_replication"]) {
      const { code, message } = await error({
        config: { ...config, [key]: key === "layer_replication" ? [[0, 1]] : true },
      });
      expect([code, message.includes(key)]).toEqual(["models/unsupported-adapter", true]);
    }
    expect((await error({ config: { ...config, init_lora_weights: "olora" } })).message).toContain("olora");
  });

  test.each([
    ["r", 0],
    ["r", 2 ** 40],
    ["r", "eight"],
    ["lora_alpha", 0],
    ["lora_alpha", -16],
    ["lora_alpha", 1e300],
    ["lora_alpha", "16"],
    ["lora_dropout", 1],
    ["bias", "some"],
    ["target_modules", 3],
    ["rank_pattern", { query: -1 }],
    ["alpha_pattern", { query: 0 }],
  ])("%s as %j is refused by the field's name", async (field, value) => {
    const { code, message } = await error({ config: { ...config, [field]: value } });
    expect([code, message.includes(`"${field}`)]).toEqual(["models/bad-adapter-config", true]);
    const said = typeof value === "object" ? Object.values(value)[0] : value;
    expect(message).toContain(JSON.stringify(said));
  });

  test("files that are none, or another model's", async () => {
    expect((await error({ config: "{" })).code).toBe("models/bad-adapter-config");
    expect((await error({ config: { r: 4 } })).message).toContain("peft_type");
    expect((await error({ from: "nowhere" })).message).toContain("adapter_model.safetensors");
    expect((await error({ config: { ...config, r: 8 } })).message).toContain(
      "is [4, 16], for the model [8, 16] is wanted",
    );
    const other = await loadPeftAdapter(join(root, "lora/start"), await otherNetwork()).catch(
      (e: unknown) => e,
    );
    expect(`${other}`).toContain("classifier");
  });

  test("keys that nobody knows yet are left alone", async () => {
    const folder = mkdtempSync(join(scratch, "new-"));
    const text = JSON.parse(readFileSync(join(root, "lora/start/adapter_config.json"), "utf8"));
    writeFileSync(
      join(folder, "adapter_config.json"),
      JSON.stringify({ ...text, from_the_future: { a: 1 } }),
    );
    writeFileSync(
      join(folder, "adapter_model.safetensors"),
      readFileSync(join(root, "lora/start/adapter_model.safetensors")),
    );
    expect((await loadPeftAdapter(folder, await base())).adapter.layers).toHaveLength(12);
  });
});

const otherNetwork = () =>
  openNetwork(fileURLToPath(new URL("../fixtures/architectures/bert-features", import.meta.url)), {
    seed: 0,
  });
