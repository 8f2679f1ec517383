import { readFile } from "node:fs/promises";
import type Sharp from "sharp";
import { DiapasonError } from "../base/errors.ts";
import { pointerIn } from "../formats/stand-in.ts";
import { type Pixels, sharedPixels, toGrey } from "./pixels.ts";

/**
 * Decodes an image file: turned upright by its EXIF note, transparency left out, 8 bits, grey or RGB.
 *
 * Pixel values are the file's own: embedded colour profiles are not applied, and neither does Pillow, so PNG and JPEG
 * come out as the Python stack reads them (CMYK, which is rare, goes through libvips' own profile). Of an animation the first frame counts. The bytes are shared memory.
 * @throws data/broken-image.
 */
export async function decodeImage(path: string, channels: 1 | 3): Promise<Pixels> {
  const sharp = await decoder();
  try {
    // "error": files with mere warnings (stray bytes, odd headers) are read; cut ones are not.
    const { data, info } = await sharp(path, { ignoreIcc: true, failOn: "error" })
      .autoOrient()
      .removeAlpha()
      .toColourspace("srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    const colour: Pixels = { data, height: info.height, width: info.width, channels: 3 };
    return sharedPixels(channels === 1 ? toGrey(colour) : colour);
  } catch (cause) {
    const start = await readFile(path).catch(() => new Uint8Array());
    const why = pointerIn(start) ?? (cause as Error).message.replace(/[\s:.]+$/, "").replaceAll("\n", "; ");
    throw new DiapasonError(
      "data/broken-image",
      `The image "${path}" cannot be decoded: ${why}.`,
      "Replace the file, or remove it from the data.",
      cause,
    );
  }
}

/**
 * Loaded when the first image is read, because texts need none. libvips' own memory is kept small: images are decoded side
 * by side, each once, so its cache and threads are no use.
 */
async function decoder(): Promise<typeof Sharp> {
  const { default: sharp } = await import("sharp");
  sharp.cache(false);
  sharp.concurrency(1);
  return sharp;
}
