import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadSafetensors } from "../../src/formats/safetensors.node.ts";
import { forwardFlops, stepMemory } from "../../src/models/cost.ts";
import { replaceHead } from "../../src/models/head.ts";
import { loadModel } from "../../src/models/load.node.ts";
import { saveModel } from "../../src/models/save.node.ts";
import { assets, haveAssets } from "../assets.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "diapason-models-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("paths that hold no model", () => {
  test("nothing there, and a folder without ONNX", async () => {
    await expect(loadModel(join(folder, "absent"))).rejects.toMatchObject({ code: "models/not-found" });
    await expect(loadModel(folder)).rejects.toMatchObject({ code: "models/not-found" });
  });
});

describe.skipIf(!haveAssets)("real models (skipped where the assets are absent)", () => {
  test("resnet20: parameters, blocks, labels, operations", async () => {
    const model = await loadModel(assets("models/resnet20-cifar10"));
    expect(model.parameters).toHaveLength(59);
    expect(model.parameters.reduce((sum, p) => sum + p.elements, 0)).toBe(269_722);
    expect(model.blocks.map((block) => block.name)).toEqual([
      "stem",
      ...[1, 2, 3].flatMap((stage) => [0, 1, 2].map((i) => `layer${stage}.${i}`)),
      "head",
    ]);
    expect(model.blocks.at(-1)!.parameters).toEqual(["linear.weight", "linear.bias"]);
    expect(model.blocks[0]!.buffers).toEqual(["bn1.running_mean", "bn1.running_var"]);
    expect(model.labels?.slice(0, 2)).toEqual(["airplane", "automobile"]);
    expect([model.input.name, model.output.name]).toEqual(["pixel_values", "logits"]);
    expect([model.input.shape?.[0], model.output.shape]).toEqual([
      model.output.shape?.[0],
      [expect.any(String), 10],
    ]);
    // 40.55 million multiply-adds in convolutions (He et al. 2015 list 41 million).
    expect(forwardFlops(model) / 1e6).toBeCloseTo(2 * 40.55, 0);
  });
  test("resnet56 has 27 residual blocks", async () => {
    const model = await loadModel(assets("models/resnet56-cifar10/onnx/model.onnx"));
    expect(model.blocks).toHaveLength(29);
    expect(model.labels).toHaveLength(10);
  });
  test("squeezenet: the classifier is a convolution", async () => {
    const model = await loadModel(assets("models/squeezenet-imagenet"));
    expect(model.blocks.map((block) => block.name)).toEqual([
      "stem",
      ...[2, 3, 4, 5, 6, 7, 8, 9].map((i) => `fire${i}`),
      "head",
    ]);
    const tuned = replaceHead(model, { labels: ["a", "b", "c"], seed: 1 });
    expect(tuned.output.shape?.[1]).toBe(3);
    expect(tuned.graph.get("classifier.weight").constant!.dims).toEqual([3, 512, 1, 1]);
  });
  test("moving less takes less memory", async () => {
    const model = await loadModel(assets("models/resnet20-cifar10"));
    const all = stepMemory(model, new Set(model.parameters.map((p) => p.name)), 32);
    const head = stepMemory(model, new Set(["linear.weight", "linear.bias"]), 32);
    expect(head.total * 5).toBeLessThan(all.total);
  });

  test("a saved model loads again with the same weights, under the checkpoint's names", async () => {
    const model = replaceHead(await loadModel(assets("models/resnet20-cifar10")), {
      labels: ["cat", "dog"],
      seed: 3,
    });
    const out = join(folder, "out");
    await saveModel(model, out, { more: (draft) => writeFile(join(draft, "README.md"), "# Model\n") });
    expect((await readdir(out)).sort()).toEqual(["README.md", "config.json", "model.safetensors", "onnx"]);
    const again = await loadModel(out);
    expect(again.labels).toEqual(["cat", "dog"]);
    expect(again.parameters.map((p) => p.name)).toEqual(model.parameters.map((p) => p.name));
    for (const { name, value } of again.parameters)
      expect(value.constant!.data.read(), name).toEqual(model.graph.get(name).constant!.data.read());
    const { tensors } = await loadSafetensors(join(out, "model.safetensors"));
    const original = await loadSafetensors(assets("models/resnet20-cifar10/model.safetensors"));
    expect([...tensors.keys()].sort()).toEqual([...original.tensors.keys()].sort());
    expect(tensors.get("conv1.weight")!.data.read()).toEqual(
      original.tensors.get("conv1.weight")!.data.read(),
    );
    expect(JSON.parse(await readFile(join(out, "config.json"), "utf8"))).toMatchObject({ num_labels: 2 });
  });
  test("an existing folder is refused and left alone, or replaced with force; a failure leaves nothing", async () => {
    const model = await loadModel(assets("models/resnet20-cifar10"));
    const out = join(folder, "taken");
    await mkdir(out);
    await writeFile(join(out, "precious.txt"), "mine");
    await expect(saveModel(model, out)).rejects.toMatchObject({ code: "models/output-exists" });
    const fails = saveModel(model, out, { force: true, more: () => Promise.reject(new Error("full")) });
    await expect(fails).rejects.toThrow("full");
    expect(await readdir(out)).toEqual(["precious.txt"]);
    await saveModel(model, out, { force: true });
    expect(await readdir(out)).not.toContain("precious.txt");
    expect((await readdir(folder)).filter((name) => name.startsWith("."))).toEqual([]);
  });
});

const wild = haveAssets ? (await readdir(assets("onnx"))).filter((name) => name.endsWith(".onnx")) : [];
describe.skipIf(!haveAssets)("graphs from the wild (skipped where the assets are absent)", () => {
  test("there are many", () => expect(wild.length).toBeGreaterThan(30));
  test.each(wild)("%s: each parameter in one block", async (name) => {
    const model = await loadModel(assets(`onnx/${name}`), { images: false });
    const placed = model.blocks.flatMap((block) => block.parameters);
    expect([...placed].sort()).toEqual(model.parameters.map((p) => p.name).sort());
    expect(model.blocks.every((block) => block.parameters.length > 0)).toBe(true);
    expect(new Set(model.blocks.map((block) => block.name)).size).toBe(model.blocks.length);
  });
});
