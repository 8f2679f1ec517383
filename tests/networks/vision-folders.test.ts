import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { env, pipeline } from "@huggingface/transformers";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openImageModel } from "../../src/app/image/classifier.node.ts";
import { openZeroShot } from "../../src/app/image/zero-shot.node.ts";
import { random } from "../../src/base/random.ts";
import { loadSafetensors } from "../../src/formats/safetensors.node.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { predict, type TuneInput, tune } from "../../src/index.ts";
import { zeroShotHead } from "../../src/models/network/two-towers.ts";
import { cpuRuntime } from "../../src/runtime/cpu.node.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";

const fixture = (path: string) => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "diapason-vision-"));
const at = (name: string) => join(folder, name);
const classes = ["airplane", "red bird", "ship"];
const pictures = classes.map((name) => at(`data/test/${name}/0.png`));

/** Noise around a colour for each class, 24 × 30 pixels. */
async function paint(path: string, hue: number, seed: number): Promise<void> {
  const { uniform } = random(seed, "picture", relative(folder, path));
  const pixels = Uint8Array.from(
    { length: 24 * 30 * 3 },
    (_, i) => 30 + 150 * +(i % 3 === hue) + 60 * uniform(),
  );
  await sharp(pixels, { raw: { width: 30, height: 24, channels: 3 } })
    .png()
    .toFile(path);
}

beforeAll(async () => {
  env.allowRemoteModels = false;
  env.localModelPath = folder;
  for (const split of ["train", "test"])
    for (const [hue, name] of classes.entries()) {
      mkdirSync(at(`data/${split}/${name}`), { recursive: true });
      for (let i = 0; i < 4; i++) await paint(at(`data/${split}/${name}/${i}.png`), hue, i);
    }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const job = (model: string, name: string): TuneInput => ({
  model,
  data: at("data"),
  out: at(name),
  run: at(`${name}-run`),
  epochs: 10,
  batchSize: 4,
  learningRate: 1e-2,
  augment: "none",
});

async function tuned(options: TuneInput): Promise<void> {
  for await (const event of tune(options)) if (event.type === "saved") return;
  throw new Error("nothing was saved");
}

const floats = ({ data }: Tensor) => new Float32Array(Uint8Array.from(data.read()).buffer);

/** Networks that transformers.js runs, each with its own image processor. */
const names = ["vit", "deit-taught", "dinov2", "swin", "resnet", "convnext", "mobilenet-v2", "efficientnet"];

/** Of random weights and as narrow as a fixture, these learn next to nothing in a few steps. */
const slow = new Set(["mobilenet-v2", "efficientnet"]);

describe.each(names)("%s", (name) => {
  test("is tuned with a head under transformers' names, and says the same in transformers.js", {
    timeout: 60_000,
  }, async () => {
    const source = fixture(`architectures/${name}`);
    await tuned(job(source, name));
    const before = (await loadSafetensors(`${source}/model.safetensors`)).tensors;
    const after = (await loadSafetensors(at(`${name}/model.safetensors`))).tensors;
    expect([...after.keys()].sort()).toEqual([...before.keys()].sort());
    for (const [key, { dims }] of after)
      expect(dims, key).toEqual(
        /classifier(?:\.1)?\.weight$/.test(key) ? [3, before.get(key)!.dims[1]] : before.get(key)!.dims,
      );
    const classify = await pipeline("image-classification", name, { dtype: "fp32" });
    let surest = 0;
    for await (const event of predict({ model: at(name), inputs: pictures })) {
      if (event.type !== "prediction") continue;
      const theirs = (await classify(event.path, { top_k: 3 })) as { label: string; score: number }[];
      surest = Math.max(surest, theirs[0]!.score);
      for (const { label, score } of theirs)
        expect(
          Math.abs(event.labels.find((one) => one.label === label)!.probability - score),
          // sharp, with which transformers.js resizes, makes slightly other pixels than Pillow
        ).toBeLessThan(2e-2);
    }
    // Else any two networks would say the same: that every class is as likely.
    if (!slow.has(name)) expect(surest).toBeGreaterThan(0.5);
  });
});

describe.each(["clip", "siglip"])("the names of classes as a head: %s", (name) => {
  const source = fixture(`zero-shot/${name}`);
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await cpuRuntime({ threads: 1 });
  });
  afterAll(() => runtime.dispose());

  test("logits before the first step are transformers' zero-shot logits", async () => {
    const { tensors, metadata } = await loadSafetensors(`${source}/reference.safetensors`);
    const labels = metadata.get("classes")!.split(",");
    const prompt = metadata.get("prompt")!.replace("%s", "{}");
    const model = await openZeroShot(source, { labels, prompt, seed: 0 }, runtime);
    const executable = await runtime.compile(model.graph);
    const pixels = tensors.get("pixel_values")!;
    const image = { dtype: "float32", dims: pixels.dims, data: floats(pixels) } as const;
    const { logits } = await executable.run({ pixel_values: image }, { outputs: ["logits"] });
    await executable.dispose();
    const expected = floats(tensors.get("logits")!);
    for (const [i, value] of (logits!.data as Float32Array).entries())
      expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-5);
  });

  test("a tuned one opens again as what it is", { timeout: 60_000 }, async () => {
    const out = `zero-${name}`;
    await tuned({ ...job(source, out), zeroShot: true, prompt: "a {}" });
    const { model } = await openImageModel(at(out), {}, runtime);
    expect(model.network!.head).toBe("zero-shot-classification");
    expect(model.network!.fresh.size).toBe(0);
    expect(model.labels).toEqual(classes);
  });

  test("a name stands in the prompt as it is, whatever its signs mean elsewhere", async () => {
    const headOf = async (label: string, prompt: string) => {
      const { graph } = await openZeroShot(source, { labels: [label], prompt, seed: 0 }, runtime);
      return graph.get(`${zeroShotHead}.weight`).constant!.data.read();
    };
    expect(await headOf("$& fork", "a {}")).toEqual(await headOf("fork", "a $& {}"));
  });

  test("a prompt without a place for the name is refused", async () => {
    await expect(
      openZeroShot(source, { labels: ["a"], prompt: "a photo", seed: 0 }, runtime),
    ).rejects.toMatchObject({
      code: "app/bad-option",
    });
  });
});
