import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { assembleBatch } from "./assemble-batch.ts";
import type { ImagePreprocessor } from "./dataset.ts";
import { decodeImage } from "./decode-image.node.ts";
import { prepareImage } from "./prepare-image.ts";
import { resolvePreprocessor, savePreprocessor } from "./preprocessor.node.ts";
import { formatPreprocessor, overridePreprocessor, parsePreprocessor } from "./preprocessor.ts";

const fixtures = resolve(import.meta.dirname, "../../tests/fixtures/images");
const folder = mkdtempSync(join(tmpdir(), "diapason-preprocessor-"));
afterAll(() => rmSync(folder, { recursive: true }));

const parse = (config: unknown) => parsePreprocessor(config, "The file", { layout: "nchw" });

interface Case {
  readonly name: string;
  readonly config: Record<string, unknown>;
  readonly dims: readonly number[];
  readonly values: readonly number[];
}
const reference: { stride: number; cases: readonly Case[] } = JSON.parse(
  readFileSync(join(fixtures, "processors.json"), "utf8"),
);

async function pixelsOf(preprocessor: ImagePreprocessor) {
  const image = prepareImage(await decodeImage(join(fixtures, "waves.png"), 3), preprocessor, "model");
  const batch = { ids: ["a"], labels: new Int32Array(1), images: [image], classes: 2, smoothing: 0 };
  return assembleBatch({ ...batch, preprocessor, seed: 0, epoch: 0, batch: 0, augment: undefined });
}

describe("the same pixels as transformers", () => {
  test.each(reference.cases)("$name", async ({ config, dims, values }) => {
    const preprocessor = parse(config);
    const { pixels, dims: ours } = await pixelsOf(preprocessor);
    expect(ours).toEqual(dims);
    const sampled = [...pixels].filter((_, i) => i % reference.stride === 0);
    expect(sampled.length).toBe(values.length);
    expect(Math.max(...sampled.map((v, i) => Math.abs(v - values[i]!)))).toBeLessThan(2e-6);
  });

  test.each(reference.cases)("$name, written and read again", ({ config }) => {
    expect(parse(formatPreprocessor(parse(config)))).toEqual(parse(config));
  });
});

describe("reading", () => {
  test("timm's keys", () => {
    const timm = {
      input_size: [3, 224, 224],
      crop_pct: 0.875,
      interpolation: "bicubic",
      mean: [0.5],
      std: [0.5],
    };
    expect(parse(timm)).toMatchObject({
      height: 224,
      width: 224,
      resize: "crop",
      resizeTo: 256,
      resample: "bicubic",
    });
  });

  test("grey images and reversed channels", () => {
    expect(parse({ size: 28, image_mean: [0.1], image_std: [0.3] })).toMatchObject({
      channels: 1,
      mean: [0.1],
      std: [0.3],
    });
    expect(parse({ size: 28, do_flip_channel_order: true })).toMatchObject({ channelOrder: "bgr" });
  });

  test("colour statistics are averaged for a model of one channel", () => {
    const config = { size: 28, image_mean: [0.1, 0.2, 0.3], image_std: [1, 2, 3] };
    const { mean, std } = parsePreprocessor(config, "The file", { layout: "nchw", channels: 1 });
    expect(mean[0]).toBeCloseTo(0.2, 12);
    expect(std).toEqual([2]);
  });

  test.each([
    ["no object", [1]],
    ["a size of 0", { size: 0 }],
    ["a deviation of 0", { size: 8, image_std: [0, 1, 1] }],
    ["a mean that is text", { size: 8, image_mean: ["a"] }],
    ["two channels", { size: 8, image_mean: [0, 0] }],
    ["the box filter", { size: 8, resample: 4 }],
    ["a factor of 0", { size: 8, rescale_factor: 0 }],
    ["no size at all", { do_resize: false }],
    ["images of different sizes", { size: { shortest_edge: 8 } }],
    ["a crop without a resize", { size: 8, do_resize: false, do_center_crop: true, crop_size: 8 }],
    ["a second crop", { image_processor_type: "ConvNextImageProcessor", do_center_crop: true, crop_size: 8 }],
    ["a rule of its own", { image_processor_type: "LevitImageProcessor", size: 8 }],
  ])("refuses %s", (_, config) => {
    expect(() => parse(config)).toThrow(expect.objectContaining({ code: "data/bad-preprocessor" }));
  });
});

describe("finding", () => {
  test("options replace what the file says, and a resize before a crop keeps its proportion", () => {
    const clip = parse({
      image_processor_type: "CLIPImageProcessor",
      size: { shortest_edge: 256 },
      crop_size: 224,
    });
    expect(overridePreprocessor(clip, { size: 112 })).toMatchObject({
      height: 112,
      width: 112,
      resizeTo: 128,
    });
  });

  test("options speak of 0…1 also where the model takes 0…255", () => {
    const raw = parse({ size: 8, do_rescale: false, do_normalize: false });
    expect(overridePreprocessor(raw, { mean: [0.5], std: [0.2] })).toMatchObject({
      mean: [127.5, 127.5, 127.5],
      std: [51, 51, 51],
    });
  });

  test("without a file, the input's shape and ImageNet's statistics, and both are said", async () => {
    const found = await resolvePreprocessor(join(folder, "model.onnx"), {}, ["batch", 64, 48, 3]);
    expect(found.preprocessor).toMatchObject({
      height: 64,
      width: 48,
      layout: "nhwc",
      mean: [0.485, 0.456, 0.406],
    });
    expect(found.notes).toHaveLength(2);
  });

  test('beside the folder "onnx", as it was saved', async () => {
    const saved = parse({ size: { height: 40, width: 30 }, resample: 3 });
    await savePreprocessor(folder, saved);
    const found = await resolvePreprocessor(join(folder, "onnx", "model.onnx"), {}, [
      "batch",
      3,
      "height",
      "width",
    ]);
    expect(found).toEqual({ preprocessor: saved, notes: [] });
  });

  test("refuses a file that contradicts the model, and a size that it cannot take", async () => {
    const shape = ["batch", 3, 32, 32];
    const refused = expect.objectContaining({ code: "data/bad-preprocessor" });
    await expect(resolvePreprocessor(folder, {}, shape)).rejects.toThrow(refused);
    await expect(resolvePreprocessor(folder, { size: 64 }, shape)).rejects.toThrow(refused);
    expect((await resolvePreprocessor(folder, { size: 32 }, shape)).preprocessor).toMatchObject({
      height: 32,
      width: 32,
    });
  });

  test("refuses a file that is not JSON", async () => {
    writeFileSync(join(folder, "preprocessor_config.json"), "{");
    await expect(resolvePreprocessor(folder, {}, [])).rejects.toThrow(
      expect.objectContaining({ code: "data/bad-preprocessor" }),
    );
  });
});
