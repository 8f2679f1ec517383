import { availableParallelism } from "node:os";
import { bug, DiapasonError } from "../base/errors.ts";
import { random } from "../base/random.ts";
import type { BatchOptions, ImageBatch, ImageExample, ImageLoader, ImagePreprocessor } from "./dataset.ts";
import { decodeImage } from "./decode-image.node.ts";
import { ImageWorkers } from "./image-workers.node.ts";
import { Limiter } from "./limiter.ts";
import { defaultCacheBytes, PixelCache } from "./pixel-cache.ts";
import type { Pixels } from "./pixels.ts";
import { type KeptSize, needsPreparation } from "./prepare-image.ts";

export interface ImageLoaderOptions {
  /** Threads that resize, augment and normalise. Default: 2, or 1 on one core. The batches do not depend on it. */
  readonly workers?: number;
  /** Memory for decoded images, so that later epochs need not decode again. Default 512 MiB. */
  readonly cacheBytes?: number;
  /** Batches prepared while the caller is busy with one. Default 2. */
  readonly ahead?: number;
}

/** Images decoded at the same time: as many as Node's own pool has threads, so that more would only hold memory. */
const decodersAtOnce = 4;

/**
 * Loads images in batches: decoded on Node's thread pool, resized, augmented and normalised in worker threads.
 *
 * Decoding and resizing equal Pillow's to the byte, for PNG and for JPEG (both through libjpeg-turbo). Resized images
 * are kept in memory as bytes. The batches of an epoch are a function of `BatchOptions` alone: neither the number of
 * workers nor what is cached nor `skip` changes a bit. Leaving the loop early stops the work.
 * @throws data/bad-option at once; while iterating, data/broken-image for a file that cannot be decoded.
 */
export function imageLoader(preprocessor: ImagePreprocessor, options: ImageLoaderOptions = {}): ImageLoader {
  const {
    workers = Math.min(2, availableParallelism()),
    cacheBytes = defaultCacheBytes,
    ahead = 2,
  } = options;
  requireCount("workers", workers, 1);
  requireCount("cacheBytes", cacheBytes, 0);
  requireCount("ahead", ahead, 0);
  const pool = new ImageWorkers(workers);
  const cache = new PixelCache(cacheBytes);
  const decoders = new Limiter(decodersAtOnce);
  let isClosed = false;

  const load = async (example: ImageExample, size: KeptSize, isStopped: () => boolean): Promise<Pixels> => {
    const key = `${size} ${example.path}`;
    const kept = cache.get(key);
    if (kept) return kept;
    return decoders.run(async () => {
      if (isStopped()) throw new Stopped();
      const decoded = await decodeImage(example.path, preprocessor.channels);
      const fits = !needsPreparation(decoded, preprocessor, size);
      const image = fits ? decoded : await pool.prepare(decoded, preprocessor, size);
      cache.add(key, image);
      return image;
    });
  };

  async function* batches(options: BatchOptions): AsyncGenerator<ImageBatch, void, undefined> {
    if (isClosed) bug("batches are asked of a closed image loader");
    checkBatchOptions(options);
    const { examples, batchSize, augment, skip = 0 } = options;
    const order = orderOf(options);
    const size: KeptSize = augment?.crop?.kind === "resized" ? "roomy" : "model";
    const total = Math.ceil(examples.length / batchSize);
    const queue: Promise<ImageBatch>[] = [];
    let isStopped = false;

    const prepare = async (batch: number): Promise<ImageBatch> => {
      const chosen = Array.from(
        order.subarray(batch * batchSize, (batch + 1) * batchSize),
        (i) => examples[i]!,
      );
      const images = await Promise.all(
        chosen.map((example) => load(example, size, () => isStopped || isClosed)),
      );
      if (isStopped || isClosed) throw new Stopped();
      return pool.assemble({
        ids: chosen.map(({ id }) => id),
        labels: Int32Array.from(chosen, ({ label }) => label),
        images,
        preprocessor,
        classes: options.classes,
        smoothing: options.smoothing ?? 0,
        seed: options.seed,
        epoch: options.epoch,
        batch,
        augment,
      });
    };

    try {
      for (let next = skip; next < total || queue.length > 0; ) {
        for (; next < total && queue.length <= ahead; next++) {
          const batch = prepare(next);
          batch.catch(() => undefined); // Told when its turn comes, or not at all when the loop is left before.
          queue.push(batch);
        }
        yield await queue.shift()!;
      }
    } finally {
      isStopped = true;
    }
  }

  return {
    preprocessor,
    batches,
    async close() {
      isClosed = true;
      cache.clear();
      await pool.close();
    },
  };
}

/** Ends the preparation of a batch that nobody waits for any more. */
class Stopped extends Error {
  constructor() {
    super("The loop over these batches was left, or the image loader closed.");
  }
}

/** Positions in `examples`, in the order of the epoch. */
function orderOf({ examples, shuffle, seed, epoch }: BatchOptions): Uint32Array {
  if (shuffle) return random(seed, "order", epoch).permutation(examples.length);
  return Uint32Array.from(examples, (_, i) => i);
}

function checkBatchOptions({ batchSize, classes, smoothing = 0, skip = 0, augment }: BatchOptions): void {
  requireCount("batchSize", batchSize, 1);
  requireCount("classes", classes, 1);
  requireCount("skip", skip, 0);
  requireRange("smoothing", smoothing, 0, 1 - Number.EPSILON);
  requireRange("flip", augment?.flip ?? 0, 0, 1);
  requireRange("color", augment?.color ?? 0, 0, 1);
  requireRange("mixup", augment?.mixup ?? 0, 0, Number.MAX_VALUE);
  requireRange("randAugment.magnitude", augment?.randAugment?.magnitude ?? 0, 0, 10);
  requireCount("randAugment.operations", augment?.randAugment?.operations ?? 1, 1);
  if (augment?.crop?.kind === "pad") requireCount("crop.pixels", augment.crop.pixels, 1);
  if (augment?.crop?.kind === "resized")
    requireRange("crop.minArea", augment.crop.minArea, Number.EPSILON, 1);
}

function requireCount(name: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new DiapasonError(
    "data/bad-option",
    `${name} is ${value}.`,
    `Give a whole number of at least ${least}.`,
  );
}

function requireRange(name: string, value: number, least: number, most: number): void {
  if (value >= least && value <= most) return;
  throw new DiapasonError(
    "data/bad-option",
    `${name} is ${value}.`,
    `Give a number from ${least} to ${most}.`,
  );
}
