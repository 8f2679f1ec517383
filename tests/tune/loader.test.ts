import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { random } from "../../src/base/random.ts";
import type {
  BatchOptions,
  ImageBatch,
  ImageExample,
  ImageLoader,
  ImagePreprocessor,
} from "../../src/data/dataset.ts";
import { type ImageLoaderOptions, imageLoader } from "../../src/data/image-loader.node.ts";

const preprocessor: ImagePreprocessor = {
  height: 16,
  width: 20,
  channels: 3,
  rescaleFactor: 1 / 255,
  mean: [0.5, 0.4, 0.3],
  std: [0.2, 0.3, 0.4],
  resize: "crop",
  layout: "nchw",
};
const elements = 3 * 16 * 20;

const folder = mkdtempSync(join(tmpdir(), "diapason-loader-"));
const examples: ImageExample[] = [];
/** Images of chance in several sizes, one to a class; every third of the very size of the model. */
beforeAll(async () => {
  const draw = random(3, "images");
  for (let label = 0; label < 14; label++) {
    const [width, height] = label % 3 === 0 ? [20, 16] : [18 + draw.integer(30), 18 + draw.integer(30)];
    const path = join(folder, `${label}.png`);
    const pixels = Uint8Array.from({ length: width * height * 3 }, () => draw.integer(256));
    await sharp(pixels, { raw: { width, height, channels: 3 } })
      .png()
      .toFile(path);
    examples.push({ id: `${label}.png`, path, label });
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const loaders: ImageLoader[] = [];
const opened = (options?: ImageLoaderOptions): ImageLoader => {
  const loader = imageLoader(preprocessor, options);
  loaders.push(loader);
  return loader;
};
afterEach(() => Promise.all(loaders.splice(0).map((loader) => loader.close())));

const plain: Omit<BatchOptions, "examples"> = {
  batchSize: 4,
  classes: 14,
  seed: 1,
  epoch: 0,
  shuffle: false,
};
const everything: Partial<BatchOptions> = {
  shuffle: true,
  smoothing: 0.1,
  augment: {
    flip: 0.5,
    crop: { kind: "resized", minArea: 0.3 },
    color: 0.3,
    randAugment: { operations: 2, magnitude: 7 },
    mixup: 0.4,
  },
};

async function batchesOf(loader: ImageLoader, options: Partial<BatchOptions> = {}): Promise<ImageBatch[]> {
  const batches: ImageBatch[] = [];
  for await (const batch of loader.batches({ examples, ...plain, ...options })) batches.push(batch);
  return batches;
}
const digest = ({ ids, dims, labels, pixels, targets }: ImageBatch) => {
  const hash = (array: Float32Array) =>
    createHash("sha256").update(new Uint8Array(array.buffer)).digest("hex");
  return { ids, dims, labels: [...labels], pixels: hash(pixels), targets: hash(targets) };
};
/** The pixels of each example. */
const imagesOf = (batches: readonly ImageBatch[]) =>
  Object.fromEntries(
    batches.flatMap(({ ids, pixels }) =>
      ids.map((id, i) => [id, [...pixels.subarray(i * elements, (i + 1) * elements)]]),
    ),
  );

describe("batches are a function of their options alone", () => {
  test("one thread or four, far ahead or not at all, from files or from memory", async () => {
    const one = opened({ workers: 1 });
    const first = (await batchesOf(one, everything)).map(digest);
    expect(first.map(({ dims }) => dims)).toEqual([4, 4, 4, 2].map((n) => [n, 3, 16, 20]));
    expect(first.flatMap(({ labels }) => labels).sort((a, b) => a - b)).toEqual(examples.map((e) => e.label));
    expect((await batchesOf(one, everything)).map(digest)).toEqual(first);
    for (const options of [{ workers: 4 }, { workers: 4, cacheBytes: 0, ahead: 0 }, { workers: 2, ahead: 9 }])
      expect((await batchesOf(opened(options), everything)).map(digest)).toEqual(first);
  });

  test("an epoch that goes on has the batches that are left", async () => {
    const loader = opened();
    const all = (await batchesOf(loader, everything)).map(digest);
    expect((await batchesOf(loader, { ...everything, skip: 3 })).map(digest)).toEqual(all.slice(3));
    expect(await batchesOf(loader, { ...everything, skip: 4 })).toEqual([]);
  });

  test("another seed or epoch is another order and other changes", async () => {
    const loader = opened();
    const [first, seed, epoch] = [
      await batchesOf(loader, everything),
      await batchesOf(loader, { ...everything, seed: 2 }),
      await batchesOf(loader, { ...everything, epoch: 1 }),
    ];
    for (const other of [seed, epoch]) {
      expect(other.flatMap(({ ids }) => ids)).not.toEqual(first.flatMap(({ ids }) => ids));
      const [a, b] = [imagesOf(first), imagesOf(other)];
      for (const { id } of examples) expect(b[id]).not.toEqual(a[id]);
    }
  });

  test("an image changes as its name says, whatever batch it is in", async () => {
    const loader = opened();
    const { mixup: _, ...augment } = everything.augment!;
    const first = imagesOf(await batchesOf(loader, { augment }));
    expect(imagesOf(await batchesOf(loader, { augment, shuffle: true, batchSize: 5 }))).toEqual(first);
    const unchanged = imagesOf(await batchesOf(loader));
    expect(examples.filter(({ id }) => first[id]!.every((p, i) => p === unchanged[id]![i]))).toEqual([]);
  });
});

describe("targets", () => {
  test("without mixing: one class, some of its mass spread over all", async () => {
    const batches = await batchesOf(opened(), { smoothing: 0.14 });
    for (const { labels, targets } of batches) {
      for (const [i, label] of labels.entries()) {
        const row = targets.subarray(i * 14, (i + 1) * 14);
        for (const [c, share] of row.entries()) expect(share).toBeCloseTo(c === label ? 0.87 : 0.01, 6);
      }
    }
  });

  test("mixed: rows sum to 1, and pixels are mixed in the shares that the targets say", async () => {
    const loader = opened();
    const own = imagesOf(await batchesOf(loader));
    const mixed = await batchesOf(loader, { augment: { mixup: 1 }, batchSize: 7 });
    let several = 0;
    for (const { labels, targets, pixels } of mixed) {
      for (const [i, label] of labels.entries()) {
        const row = [...targets.subarray(i * 14, (i + 1) * 14)];
        expect(row.reduce((sum, share) => sum + share)).toBeCloseTo(1, 6);
        expect(row.every((share) => share >= 0)).toBe(true);
        expect(row[label]).toBeGreaterThan(0);
        several += Number(row.filter((share) => share > 0).length === 2);
        const got = pixels.subarray(i * elements, (i + 1) * elements);
        for (let p = 0; p < elements; p += 17) {
          const wanted = row.reduce((sum, share, c) => sum + share * own[`${c}.png`]![p]!, 0);
          expect(got[p]).toBeCloseTo(wanted, 4);
        }
      }
    }
    expect(several).toBeGreaterThan(5);
  });
});

describe("what goes wrong is told once, by the file's name", () => {
  const broken = (): ImageExample => {
    const path = join(folder, "broken.png");
    writeFileSync(path, "no image");
    return { id: "broken.png", path, label: 0 };
  };

  test("a broken image: the batches before it come, its own throws, and nothing else is heard", async () => {
    const unheard: unknown[] = [];
    const hear = (error: unknown) => unheard.push(error);
    process.on("unhandledRejection", hear);
    try {
      const loader = opened({ workers: 2, ahead: 4 });
      const given = [...examples.slice(0, 9), broken(), ...examples.slice(9), broken()];
      let whole = 0;
      const read = async () => {
        for await (const { ids } of loader.batches({ examples: given, ...plain })) whole += ids.length;
      };
      await expect(read()).rejects.toMatchObject({
        code: "data/broken-image",
        message: expect.stringContaining(join(folder, "broken.png")),
      });
      expect(whole).toBe(8);
      expect(await batchesOf(loader)).toHaveLength(4);
      await new Promise((done) => setTimeout(done, 50));
      expect(unheard).toEqual([]);
    } finally {
      process.off("unhandledRejection", hear);
    }
  });

  test.each<[string, Partial<BatchOptions>]>([
    ["batchSize", { batchSize: 0 }],
    ["batchSize", { batchSize: 1.5 }],
    ["smoothing", { smoothing: 1 }],
    ["flip", { augment: { flip: 1.1 } }],
    ["mixup", { augment: { mixup: -1 } }],
    ["mixup", { augment: { mixup: Number.NaN } }],
    ["skip", { skip: -1 }],
  ])("%s out of range: %j", async (name, options) => {
    await expect(batchesOf(opened(), options)).rejects.toMatchObject({
      code: "data/bad-option",
      message: expect.stringContaining(name),
    });
  });

  test("no thread at all", () => {
    expect(() => imageLoader(preprocessor, { workers: 0 })).toThrow("workers is 0");
  });
});

describe("an image loader leaves nothing behind", () => {
  const threads: Worker[] = [];
  const meet = (worker: Worker) => threads.push(worker);
  beforeAll(() => {
    process.on("worker", meet);
  });
  afterAll(() => {
    process.off("worker", meet);
  });
  afterEach(() => threads.splice(0));
  const alive = () => threads.filter(({ threadId }) => threadId !== -1).length;

  test("close ends its threads", async () => {
    const loader = opened({ workers: 3 });
    await batchesOf(loader, everything);
    expect([threads.length, alive()]).toEqual([3, 3]);
    await loader.close();
    expect(alive()).toBe(0);
    await loader.close();
    await expect(batchesOf(loader)).rejects.toMatchObject({ code: "base/bug" });
  });

  test("closed while a batch is waited for: the wait ends, the threads too", async () => {
    const loader = opened({ workers: 2 });
    const batches = loader.batches({ examples, ...plain, ...everything })[Symbol.asyncIterator]();
    await batches.next();
    const waiting = Array.from({ length: 3 }, () => batches.next());
    const ends = Promise.allSettled(waiting);
    await loader.close();
    expect((await ends).some(({ status }) => status === "rejected")).toBe(true);
    expect(alive()).toBe(0);
  });

  test("a loop that is left early stops the work, and the next one starts afresh", async () => {
    const loader = opened({ workers: 2, ahead: 1 });
    for await (const batch of loader.batches({ examples, ...plain })) {
      expect(batch.ids).toHaveLength(4);
      break;
    }
    expect((await batchesOf(loader)).flatMap(({ ids }) => ids)).toEqual(examples.map(({ id }) => id));
  });

  test("one that is never asked starts no thread", async () => {
    await opened({ workers: 2 }).close();
    expect(threads).toEqual([]);
  });
});
