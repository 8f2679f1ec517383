import { blackPixels, luma, mapBytes, type Pixels, toGrey } from "../pixels.ts";

/*
 * Changes of brightness and colour, each equal to Pillow's ImageEnhance or ImageOps to the byte.
 *
 * A factor of 1 leaves the image as it is, 0 gives what is mixed in: black, grey, or blur.
 */

/** Mixes with black. */
export const brightness = (image: Pixels, factor: number): Pixels =>
  mapBytes(image, (byte) => blend(0, byte, factor));

/** Mixes with the image's mean luma. */
export function contrast(image: Pixels, factor: number): Pixels {
  const grey = image.channels === 1 ? image : toGrey(image);
  const mean = Math.trunc(grey.data.reduce((sum, byte) => sum + byte, 0) / grey.data.length + 0.5);
  return mapBytes(image, (byte) => blend(mean, byte, factor));
}

/** Mixes with the luma of each pixel. A grey image stays as it is. */
export function saturation(image: Pixels, factor: number): Pixels {
  if (image.channels === 1) return image;
  const { data } = image;
  const changed = blackPixels(image.height, image.width, 3);
  for (let i = 0; i < data.length; i += 3) {
    const grey = luma(data[i]!, data[i + 1]!, data[i + 2]!);
    for (let c = i; c < i + 3; c++) changed.data[c] = blend(grey, data[c]!, factor);
  }
  return changed;
}

/** Mixes with a 3×3 blur (centre 5, neighbours 1, over 13); the outermost pixels have no blur and stay. */
export function sharpness(image: Pixels, factor: number): Pixels {
  const { data, height, width, channels } = image;
  const changed: Pixels = { ...image, data: data.slice() };
  const row = width * channels;
  for (let y = 1; y < height - 1; y++) {
    for (let x = channels; x < row - channels; x++) {
      const i = y * row + x;
      let sum = 4 * data[i]!;
      for (const above of [i - row, i, i + row])
        sum += data[above - channels]! + data[above]! + data[above + channels]!;
      changed.data[i] = blend(Math.trunc(sum / 13 + 0.5), data[i]!, factor);
    }
  }
  return changed;
}

/** Keeps the upper `bits` of each byte, 0…8. */
export const posterize = (image: Pixels, bits: number): Pixels =>
  mapBytes(image, (byte) => byte & (0xff << (8 - bits)));

/** Inverts bytes from `threshold` on. */
export const solarize = (image: Pixels, threshold: number): Pixels =>
  mapBytes(image, (byte) => (byte < threshold ? byte : 255 - byte));

/** Stretches each channel to 0…255. */
export const autocontrast = (image: Pixels): Pixels =>
  mapChannels(image, (counts) => {
    const low = counts.findIndex((count) => count > 0);
    const high = counts.findLastIndex((count) => count > 0);
    if (high <= low) return undefined;
    const scale = 255 / (high - low);
    return (byte) => Math.trunc(byte * scale - low * scale);
  });

/** Spreads each channel so that all bytes become about equally frequent. */
export const equalize = (image: Pixels): Pixels =>
  mapChannels(image, (counts) => {
    const last = counts.findLast((count) => count > 0) ?? 0;
    const step = Math.floor((image.height * image.width - last) / 255);
    if (step === 0) return undefined;
    let below = Math.floor(step / 2);
    const table = Array.from(counts, (count) => {
      const level = Math.floor(below / step);
      below += count;
      return level;
    });
    return (byte) => table[byte]!;
  });

/** `from` + factor · (`to` − `from`) in single precision, cut to a byte: ImagingBlend. */
function blend(from: number, to: number, factor: number): number {
  const mixed = Math.fround(from + Math.fround(Math.fround(factor) * (to - from)));
  return mixed <= 0 ? 0 : mixed >= 255 ? 255 : Math.trunc(mixed);
}

/** Applies to each channel the function made from its histogram; none leaves the channel as it is. */
function mapChannels(
  image: Pixels,
  functionOf: (counts: Uint32Array) => ((byte: number) => number) | undefined,
): Pixels {
  const changed: Pixels = { ...image, data: image.data.slice() };
  const { channels } = image;
  for (let c = 0; c < channels; c++) {
    const counts = new Uint32Array(256);
    for (let i = c; i < image.data.length; i += channels) counts[image.data[i]!]!++;
    const change = functionOf(counts);
    if (!change) continue;
    const table = Uint8ClampedArray.from({ length: 256 }, (_, byte) => change(byte));
    for (let i = c; i < image.data.length; i += channels) changed.data[i] = table[image.data[i]!]!;
  }
  return changed;
}
