/** An image of bytes, [height, width, channels]. */
export interface Pixels {
  readonly data: Uint8Array;
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3;
}

/** A black image. */
export function blackPixels(height: number, width: number, channels: 1 | 3): Pixels {
  return { data: new Uint8Array(height * width * channels), height, width, channels };
}

/** The same image in memory that threads share instead of copying. */
export function sharedPixels(image: Pixels): Pixels {
  const data = new Uint8Array(new SharedArrayBuffer(image.data.length));
  data.set(image.data);
  return { ...image, data };
}

/** The part of an image whose upper left corner is (`top`, `left`); what lies outside the image is black. */
export function cropPixels(image: Pixels, top: number, left: number, height: number, width: number): Pixels {
  if (top === 0 && left === 0 && height === image.height && width === image.width) return image;
  const { channels } = image;
  const part = blackPixels(height, width, channels);
  const firstColumn = Math.max(0, left);
  const lastColumn = Math.min(image.width, left + width);
  if (lastColumn <= firstColumn) return part;
  for (let row = Math.max(0, top); row < Math.min(image.height, top + height); row++) {
    const from = (row * image.width + firstColumn) * channels;
    const to = ((row - top) * width + firstColumn - left) * channels;
    part.data.set(image.data.subarray(from, from + (lastColumn - firstColumn) * channels), to);
  }
  return part;
}

/** The middle of an image, as Hugging Face's center_crop takes it: odd rests go to the lower right. */
export function cropCentre(image: Pixels, height: number, width: number): Pixels {
  return cropPixels(
    image,
    Math.floor((image.height - height) / 2),
    Math.floor((image.width - width) / 2),
    height,
    width,
  );
}

/** The image seen in a mirror: left and right swapped. */
export function mirrorPixels(image: Pixels): Pixels {
  const { data, height, width, channels } = image;
  const mirrored = blackPixels(height, width, channels);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const from = (row * width + column) * channels;
      const to = (row * width + width - 1 - column) * channels;
      for (let c = 0; c < channels; c++) mirrored.data[to + c] = data[from + c]!;
    }
  }
  return mirrored;
}

/** Applies a function of bytes to every byte, through a table; results beyond 0…255 are clamped. */
export function mapBytes(image: Pixels, change: (byte: number) => number): Pixels {
  const table = Uint8ClampedArray.from({ length: 256 }, (_, byte) => change(byte));
  const data = new Uint8Array(image.data.length);
  for (let i = 0; i < data.length; i++) data[i] = table[image.data[i]!]!;
  return { ...image, data };
}

/** Luma of red, green and blue, rounded as Pillow's "L" is (ITU-R 601 in 16-bit fixed point). */
export const luma = (r: number, g: number, b: number): number =>
  (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;

/** A colour image as one channel of luma. */
export function toGrey({ data, height, width }: Pixels): Pixels {
  const grey = blackPixels(height, width, 1);
  for (let i = 0; i < grey.data.length; i++)
    grey.data[i] = luma(data[3 * i]!, data[3 * i + 1]!, data[3 * i + 2]!);
  return grey;
}
