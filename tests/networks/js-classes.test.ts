import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as js from "@huggingface/transformers";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { random } from "../../src/base/random.ts";
import { exportModel, predict, tune } from "../../src/index.ts";
import type { HeadKind } from "../../src/models/architecture.ts";
import { architectureOf, knownModelTypes } from "../../src/models/architectures/table.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-js-classes-"));
const at = (name: string) => join(folder, name);
const classes = ["airplane", "red bird", "ship"];
const picture = at("data/test/ship/0.png");

/** Noise, 16 × 16 pixels: the size that the networks take, so that nobody resizes. */
async function paint(path: string): Promise<void> {
  const { uniform } = random(0, "picture", path.slice(folder.length));
  const pixels = Uint8Array.from({ length: 16 * 16 * 3 }, () => 255 * uniform());
  await sharp(pixels, { raw: { width: 16, height: 16, channels: 3 } })
    .png()
    .toFile(path);
}

beforeAll(async () => {
  js.env.allowRemoteModels = false;
  js.env.localModelPath = folder;
  for (const split of ["train", "test"])
    for (const name of classes) {
      mkdirSync(at(`data/${split}/${name}`), { recursive: true });
      for (const i of [0, 1]) await paint(at(`data/${split}/${name}/${i}.png`));
    }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const autos: { readonly [H in HeadKind]?: { supports(modelType: string): boolean } } = {
  "sequence-classification": js.AutoModelForSequenceClassification,
  "token-classification": js.AutoModelForTokenClassification,
  "masked-lm": js.AutoModelForMaskedLM,
  "causal-lm": js.AutoModelForCausalLM,
  "image-classification": js.AutoModelForImageClassification,
  // its class is ours
  "zero-shot-classification": { supports: () => false },
  features: js.AutoModel,
  "image-text": js.AutoModel,
};

test.each(knownModelTypes)("what is said of transformers.js' classes for %s is so", (type) => {
  const heads = Object.entries(architectureOf(type)!.heads);
  expect(heads.length).toBeGreaterThan(0);
  for (const [kind, { lacksJsClass = false }] of heads)
    expect(autos[kind as HeadKind]!.supports(type), kind).toBe(!lacksJsClass);
});

interface Said {
  readonly label: string;
  readonly score: number;
}

describe.each(["clip", "siglip"])("%s", (name) => {
  const template = "a {}";
  const source = fileURLToPath(new URL(`../fixtures/zero-shot/${name}`, import.meta.url));
  const tuned = `tuned-${name}`;
  const notes: string[] = [];
  let ours: readonly Said[] = [];

  beforeAll(async () => {
    cpSync(source, at(name), { recursive: true });
    // as good as not at all: the head stays what the texts made of it
    const untouched = { learningRate: 1e-12, epochs: 1, augment: "none", batchSize: 4 } as const;
    const zeroShot = { zeroShot: true, prompt: template } as const;
    const places = { model: at(name), data: at("data"), out: at(tuned), run: at(`${tuned}-run`) };
    for await (const event of tune({ ...places, ...zeroShot, ...untouched }))
      if (event.type === "note") notes.push(event.message);
    for await (const event of predict({ model: at(tuned), inputs: [picture], top: 3 }))
      if (event.type === "prediction")
        ours = event.labels.map(({ label, probability }) => ({ label, score: probability }));
  }, 60_000);

  test("both towers, exported, tell classes by their names in transformers.js as predict does", async () => {
    for await (const _ of exportModel({ model: at(name), to: ["onnx"] }));
    const classify = await js.pipeline("zero-shot-image-classification", name, { dtype: "fp32" });
    const theirs = (await classify(picture, classes, { hypothesis_template: template })) as unknown as Said[];
    await classify.dispose();
    // SigLIP's scores stand alone there, each of one text: its logits give shares again
    const odds = theirs.map(({ score }) => score / (1 - score));
    const sum = odds.reduce((a, b) => a + b, 0);
    const shares = theirs.map(({ score }, i) => (name === "siglip" ? odds[i]! / sum : score));
    expect(ours.map(({ label }) => label)).toEqual(theirs.map(({ label }) => label));
    for (const [i, { score }] of ours.entries()) expect(Math.abs(score - shares[i]!)).toBeLessThan(1e-4);
    expect(ours[0]!.score - ours[2]!.score).toBeGreaterThan(0.01);
  });

  test("a tuned classifier has no class there, which is said, and runs as it is said", async () => {
    expect(notes.join("\n")).toMatch(
      /transformers\.js has no \w+ZeroShotClassifier, so its pipelines do not/,
    );
    const exporting: string[] = [];
    for await (const event of exportModel({ model: at(tuned), to: ["int8"], run: at("no-run") }))
      if (event.type === "note") exporting.push(event.message);
    expect(exporting.join("\n")).toContain("PreTrainedModel.from_pretrained");
    await expect(js.pipeline("image-classification", tuned, { dtype: "fp32" })).rejects.toThrow(
      "Unsupported model type",
    );
    const model = await js.PreTrainedModel.from_pretrained(tuned, { dtype: "fp32" });
    const prepare = await js.AutoProcessor.from_pretrained(tuned, {});
    const { logits } = await model(await prepare(await js.RawImage.read(picture)));
    const theirs = js.softmax([...(logits.data as Float32Array)]);
    for (const { label, score } of ours)
      expect(Math.abs(theirs[classes.indexOf(label)]! - score)).toBeLessThan(1e-4);
    await model.dispose();
  });

  test("before it is tuned it does not guess", async () => {
    const guess = async () => {
      for await (const _ of predict({ model: at(name), inputs: [picture] }));
    };
    await expect(guess()).rejects.toThrow(/lacks "classifier\.\w+", so that every answer would be a guess/);
  });
});
