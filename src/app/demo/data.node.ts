import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "csv-parse/sync";
import { asWriteError } from "../../base/atomic-file.node.ts";
import { random } from "../../base/random.ts";

/** What the package brings for the demo: a model folder and the digits. */
export const lettersModel = fileURLToPath(new URL("../../../models/letters", import.meta.url));
const digitsFolder = new URL("../../../models/digits/", import.meta.url);

const side = 8;

/** The file's last images are the test images, whatever the seed, so that no choice of settings ever sees them. */
const testImages = 1000;

export interface DigitSplit {
  /** Labelled images of a class to train on. */
  readonly perClass: number;
  /** Images of a class that choose the checkpoint. */
  readonly validationPerClass: number;
  /** Draws both from the images before the test images. */
  readonly seed: number;
}

/** Unpacks the UCI digits into an imagefolder: train/3/0042.png, validation/…, test/…. @throws base/disk-full, base/not-writable */
export async function unpackDigits(folder: string, split: DigitSplit): Promise<void> {
  const table = await readFile(new URL("labels.csv", digitsFolder));
  const labels = (parse(table, { columns: true }) as { readonly label: string }[]).map(({ label }) => label);
  const { default: sharp } = await import("sharp");
  const sheet = sharp(fileURLToPath(new URL("digits.png", digitsFolder)));
  const { data, info } = await sheet.extractChannel(0).raw().toBuffer({ resolveWithObject: true });
  for (const name of new Set(labels)) {
    for (const [part, indices] of Object.entries(drawOf(name, labels, split))) {
      const target = join(folder, part, name);
      await mkdir(target, { recursive: true });
      const write = async (i: number) => {
        const raw = { width: side, height: side, channels: 1 } as const;
        const png = await sharp(cut(data, info.width, i), { raw })
          .toColourspace("b-w")
          .png()
          .toBuffer();
        await writeFile(join(target, `${String(i).padStart(4, "0")}.png`), png);
      };
      // All have ended when one has failed, so that the folder can be removed.
      const failed = (await Promise.allSettled(indices.map(write))).find((one) => one.status === "rejected");
      if (failed) throw asWriteError(failed.reason, target);
    }
  }
}

/** The images of a class in each part. */
function drawOf(name: string, labels: readonly string[], { perClass, validationPerClass, seed }: DigitSplit) {
  const members = labels.flatMap((label, i) => (label === name ? [i] : []));
  const pool = members.filter((i) => i < labels.length - testImages);
  const drawn = [...random(seed, "digits", name).permutation(pool.length)].map((i) => pool[i]!);
  return {
    train: drawn.slice(0, perClass),
    validation: drawn.slice(perClass, perClass + validationPerClass),
    test: members.slice(pool.length),
  };
}

/** Image `index` of a sheet that holds them row by row. */
function cut(sheet: Buffer, width: number, index: number): Buffer {
  const columns = width / side;
  const [x, y] = [(index % columns) * side, Math.floor(index / columns) * side];
  const rows = Array.from({ length: side }, (_, row) =>
    sheet.subarray((y + row) * width + x, (y + row) * width + x + side),
  );
  return Buffer.concat(rows);
}
