import type { Resample } from "./dataset.ts";
import { blackPixels, type Pixels } from "./pixels.ts";

interface Filter {
  /** Half its width, in source pixels when enlarging. */
  readonly support: number;
  readonly weight: (x: number) => number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

const filters: Readonly<Record<Exclude<Resample, "nearest">, Filter>> = {
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  // Keys 1981 with a = −1/2.
  bicubic: {
    support: 2,
    weight(x) {
      const t = Math.abs(x);
      if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
      return t < 2 ? (((t - 5) * t + 8) * t - 4) * -0.5 : 0;
    },
  },
  lanczos: { support: 3, weight: (x) => (-3 <= x && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/**
 * Resizes an image to the same bytes as Pillow's `Image.resize`: a pass along rows, then one along columns, each
 * rounded to bytes, with filters that widen when an image shrinks. Sums and products are in Pillow's order.
 *
 * Pretrained models have seen Pillow's pixels; libvips' differ from them by up to 9 levels on average when enlarging.
 * From version 13 on Pillow takes columns first where height shrinks much more than width; that moves some bytes, most by 1,
 * and by more where the first pass runs beyond 0 or 255.
 */
export function resizePixels(image: Pixels, height: number, width: number, resample: Resample): Pixels {
  if (resample === "nearest") return pickNearest(image, height, width);
  const filter = filters[resample];
  const narrowed = width === image.width ? image : resizeRows(image, width, filter);
  return height === image.height ? narrowed : resizeColumns(narrowed, height, filter);
}

/** Fractional bits of the weights; one pixel's sum then fits 32 bits. */
const precision = 22;

interface Weights {
  /** First source pixel of each result. */
  readonly first: Int32Array;
  /** Number of source pixels of each result. */
  readonly count: Int32Array;
  /** Fixed-point weights, `stride` for each result. */
  readonly values: Int32Array;
  readonly stride: number;
}

function weightsOf(from: number, to: number, { support, weight }: Filter): Weights {
  const scale = from / to;
  const widening = Math.max(1, scale);
  const narrowing = 1 / widening;
  const reach = support * widening;
  const stride = Math.ceil(reach) * 2 + 1;
  const first = new Int32Array(to);
  const count = new Int32Array(to);
  const values = new Int32Array(to * stride);
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - reach + 0.5));
    const end = Math.min(from, Math.trunc(centre + reach + 0.5));
    const exact = Array.from({ length: end - start }, (_, k) =>
      weight((k + start - centre + 0.5) * narrowing),
    );
    const sum = exact.reduce((a, b) => a + b, 0);
    first[i] = start;
    count[i] = end - start;
    for (const [k, w] of exact.entries()) {
      const fixed = (sum === 0 ? w : w / sum) * 2 ** precision;
      values[i * stride + k] = Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    }
  }
  return { first, count, values, stride };
}

const toByte = (sum: number): number => Math.max(0, Math.min(255, sum >> precision));

function resizeRows(image: Pixels, width: number, filter: Filter): Pixels {
  const { data, height, channels } = image;
  const result = blackPixels(height, width, channels);
  const { first, count, values, stride } = weightsOf(image.width, width, filter);
  let at = 0;
  for (let row = 0; row < height; row++) {
    const start = row * image.width * channels;
    for (let i = 0; i < width; i++) {
      for (let c = 0; c < channels; c++) {
        let sum = 1 << (precision - 1);
        let source = start + first[i]! * channels + c;
        for (let k = i * stride, end = k + count[i]!; k < end; k++, source += channels)
          sum += data[source]! * values[k]!;
        result.data[at++] = toByte(sum);
      }
    }
  }
  return result;
}

function resizeColumns(image: Pixels, height: number, filter: Filter): Pixels {
  const { data, width, channels } = image;
  const result = blackPixels(height, width, channels);
  const { first, count, values, stride } = weightsOf(image.height, height, filter);
  const row = width * channels;
  const sums = new Int32Array(row);
  for (let i = 0; i < height; i++) {
    sums.fill(1 << (precision - 1));
    for (let k = 0; k < count[i]!; k++) {
      const weight = values[i * stride + k]!;
      const start = (first[i]! + k) * row;
      for (let j = 0; j < row; j++) sums[j]! += data[start + j]! * weight;
    }
    for (let j = 0; j < row; j++) result.data[i * row + j] = toByte(sums[j]!);
  }
  return result;
}

function pickNearest(image: Pixels, height: number, width: number): Pixels {
  const { channels } = image;
  const result = blackPixels(height, width, channels);
  const columns = nearestSources(image.width, width);
  const rows = nearestSources(image.height, height);
  let at = 0;
  for (const row of rows) {
    for (const column of columns) {
      const source = (row * image.width + column) * channels;
      for (let c = 0; c < channels; c++) result.data[at++] = image.data[source + c]!;
    }
  }
  return result;
}

/** Adds the step up rather than multiplying, as Pillow does: where a centre falls on an edge, rounding decides. */
function nearestSources(from: number, to: number): Int32Array {
  const step = from / to;
  let position = step * 0.5;
  return Int32Array.from({ length: to }, () => {
    const source = Math.min(from - 1, Math.trunc(position));
    position += step;
    return source;
  });
}
