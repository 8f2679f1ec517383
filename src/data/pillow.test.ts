import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import * as tone from "./augment/tone.ts";
import type { Resample } from "./dataset.ts";
import { decodeImage } from "./decode-image.node.ts";
import { mirrorPixels, type Pixels } from "./pixels.ts";
import { resizePixels } from "./resize.ts";

const folder = resolve(import.meta.dirname, "../../tests/fixtures/images");

interface Reference {
  readonly jpeg: string;
  readonly grey: string;
  readonly resized: readonly { resample: Resample; width: number; height: number; bytes: string }[];
  readonly operations: readonly { name: string; argument?: number; bytes: string }[];
}
const reference: Reference = JSON.parse(readFileSync(resolve(folder, "pillow.json"), "utf8"));
const waves = await decodeImage(resolve(folder, "waves.png"), 3);

const bytesOf = (base64: string) => [...Buffer.from(base64, "base64")];

const operations: Readonly<Record<string, (image: Pixels, argument: number) => Pixels>> = {
  ...tone,
  mirror: mirrorPixels,
};

describe("the same bytes as Pillow", () => {
  test("decoding a JPEG", async () => {
    const image = await decodeImage(resolve(folder, "waves.jpg"), 3);
    expect([...image.data]).toEqual(bytesOf(reference.jpeg));
  });

  test("decoding to grey", async () => {
    const image = await decodeImage(resolve(folder, "waves.png"), 1);
    expect(image.channels).toBe(1);
    expect([...image.data]).toEqual(bytesOf(reference.grey));
  });

  test.each(reference.resized)(
    "resizing, $resample to $width × $height",
    ({ resample, width, height, bytes }) => {
      expect([...resizePixels(waves, height, width, resample).data]).toEqual(bytesOf(bytes));
    },
  );

  test.each(reference.operations)("$name $argument", ({ name, argument, bytes }) => {
    expect([...operations[name]!(waves, argument ?? 0).data]).toEqual(bytesOf(bytes));
  });
});
