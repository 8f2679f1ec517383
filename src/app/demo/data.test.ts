import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, describe, expect, test } from "vitest";
import { unpackDigits } from "./data.node.ts";

const folders: string[] = [];
const known = new Map<number, ReturnType<typeof unpack>>();
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

/** Each seed's folder is made once. */
function unpacked(seed: number) {
  if (!known.has(seed)) known.set(seed, unpack(seed));
  return known.get(seed)!;
}

async function unpack(seed: number) {
  const folder = await mkdtemp(join(tmpdir(), "diapason-digits-"));
  folders.push(folder);
  await unpackDigits(folder, { perClass: 3, validationPerClass: 2, seed });
  const files = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".png")).sort();
  const of = (part: string) =>
    files.filter((name) => name.startsWith(`${part}/`)).map((name) => name.slice(part.length + 1));
  return { folder, train: of("train"), validation: of("validation"), test: of("test") };
}

describe("unpackDigits", () => {
  test("parts have their sizes and share no image", async () => {
    const { train, validation, test: held } = await unpacked(0);
    expect([train.length, validation.length, held.length]).toEqual([30, 20, 1000]);
    expect(new Set([...train, ...validation, ...held]).size).toBe(1050);
    for (let digit = 0; digit < 10; digit++)
      expect(train.filter((name) => name.startsWith(`${digit}/`))).toHaveLength(3);
  });

  test("the seed draws the training images and leaves the test images alone", async () => {
    const [a, b] = [await unpacked(0), await unpacked(1)];
    expect(a.train).not.toEqual(b.train);
    expect(a.test).toEqual(b.test);
  });

  test("pixels are the counts of ink of UCI's file", async () => {
    const { folder, test: held } = await unpacked(0);
    const last = held.find((name) => name.endsWith("1796.png"))!;
    const pixels = await sharp(join(folder, "test", last))
      .extractChannel(0)
      .raw()
      .toBuffer();
    // sklearn.datasets.load_digits().images[1796], an 8.
    expect(last.startsWith("8/")).toBe(true);
    expect([...pixels.subarray(0, 24)].map((v) => Math.round((v * 16) / 255))).toEqual([
      0, 0, 10, 14, 8, 1, 0, 0, 0, 2, 16, 14, 6, 1, 0, 0, 0, 0, 15, 15, 8, 15, 0, 0,
    ]);
  });
});
