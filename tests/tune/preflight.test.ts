import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lettersModel, unpackDigits } from "../../src/app/demo/data.node.ts";
import { type Found, type TuneInput, tune } from "../../src/index.ts";

let folder = "";
const at = (...names: string[]) => join(folder, ...names);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "diapason-preflight-"));
  await unpackDigits(at("digits"), { perClass: 5, validationPerClass: 2, seed: 0 });
  const sevens = at("digits/train/7");
  for (const name of readdirSync(sevens).slice(1)) rmSync(join(sevens, name));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a tuning of digits finds before its first step. */
async function foundWith(options: Partial<TuneInput>): Promise<Found> {
  const images = { model: lettersModel, data: at("digits"), out: at("out"), run: at("run"), threads: 1 };
  for await (const event of tune({ ...images, plan: "full", ...options }))
    if (event.type === "found") return event;
  throw new Error("nothing was found");
}
const checked = ({ checks }: Found, what: string) => checks.find((check) => check.what === what);

test("a class with one image in a train split of its own is said, and is in every split", async () => {
  const found = await foundWith({ batchNorm: "frozen" });
  expect(found.data.classes.find(({ name }) => name === "7")?.train).toBe(1);
  expect(found.notes).toContain('Fewer than 5 training images in 1 of 10 classes: "7: 1".');
  expect(found.notes.join("\n")).toMatch(/unbalanced.*"7" 1; read macro-F1/);
  expect(checked(found, "classes")?.isFine).toBe(true);
});

const exact = "a step over 2 batches of 8 is the step over their 16 images";
const inexact = "a step over 2 batches of 8 is not quite that over their 16 images";
test.each<[string, Partial<TuneInput>, string, boolean]>([
  ["one batch a step", { batchNorm: "frozen" }, "a step is one batch of 8: nothing is added up", true],
  ["several batches", { accumulate: 2, batchNorm: "frozen" }, exact, true],
  [
    "normalised by the batch",
    { accumulate: 2, batchNorm: "training" },
    `${inexact}: BatchNormalization takes the statistics of each batch`,
    false,
  ],
  [
    "normalised by the batch where nothing is thawed",
    { accumulate: 2, batchNorm: "training", plan: "head" },
    exact,
    true,
  ],
  [
    "mixed within a batch",
    { accumulate: 2, batchNorm: "frozen", augment: "strong" },
    `${inexact}: mixup mixes the images of a batch`,
    false,
  ],
])("accumulation of images: %s", async (_, options, found, isFine) => {
  const check = checked(await foundWith({ batchSize: 8, ...options }), "accumulation");
  expect(check).toEqual({ what: "accumulation", found, isFine });
});

test("statistics are not measured where every stage says whose it takes", async () => {
  const stage = { blocks: "all", epochs: 1 };
  expect(checked(await foundWith({ stages: [stage] }), "statistics")?.found).toMatch(/nats/);
  const settled = await foundWith({ stages: [{ ...stage, batchNorm: "training" }] });
  expect(checked(settled, "statistics")).toBeUndefined();
  expect(settled.plan).toMatch(/training$/m);
});

test("a batch is no larger than the training data", async () => {
  const fitting = await foundWith({ batchSize: 46 });
  const vast = await foundWith({ batchSize: 1_000_000 });
  expect(vast.data.examples.train).toBe(46);
  expect(vast.peakMemory).toBeLessThan(1.1 * fitting.peakMemory);
  expect(checked(vast, "accumulation")?.found).toContain("one batch of 46");
  const added = vast.notes.filter((note) => !fitting.notes.includes(note));
  expect(added).toEqual([
    "A batch is all 46 there are to train on; 1000000 would be filled up with nothing.",
  ]);
});
