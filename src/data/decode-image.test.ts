import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeImage } from "./decode-image.node.ts";

const folder = resolve(import.meta.dirname, "../../tests/fixtures/images");
const { files }: { files: Record<string, { width: number; height: number; bytes: string }> } = JSON.parse(
  readFileSync(resolve(folder, "modes/pixels.json"), "utf8"),
);

describe("the pixels of Pillow's convert('RGB'), upright", () => {
  test.each(Object.entries(files))("%s", async (name, { width, height, bytes }) => {
    const image = await decodeImage(resolve(folder, "modes", name), 3);
    expect([image.width, image.height, image.channels]).toEqual([width, height, 3]);
    expect([...image.data]).toEqual([...Buffer.from(bytes, "base64")]);
  });
});

describe("files that are broken", () => {
  let place: string;
  beforeAll(async () => {
    place = await mkdtemp(join(tmpdir(), "diapason-decode-"));
  });
  afterAll(() => rm(place, { recursive: true }));

  test.each(["waves.jpg", "waves.png"])("%s cut in half", async (name) => {
    const whole = readFileSync(resolve(folder, name));
    const path = join(place, name);
    await writeFile(path, whole.subarray(0, whole.length / 2));
    await expect(decodeImage(path, 3)).rejects.toMatchObject({
      code: "data/broken-image",
      message: expect.stringContaining(`"${path}"`),
    });
  });

  test("text under the name of an image", async () => {
    const path = join(place, "text.png");
    await writeFile(path, "not an image");
    await expect(decodeImage(path, 1)).rejects.toMatchObject({ code: "data/broken-image" });
  });
});
