import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "csv-parse/sync";
import sharp from "sharp";
import { random } from "../base/random.ts";

/** What the package brings for the demo: a model folder and the digits. */
export const lettersModel = fileURLToPath(new URL("../../models/letters", import.meta.url));
const digitsFolder = new URL("../../models/digits/", import.meta.url);

const side = 8;

export interface DigitSplit {
  /** Labelled images of a class to train on. */
  readonly perClass: number;
  /** Images of a class that choose the checkpoint; all others are test images. */
  readonly validationPerClass: number;
  readonly seed: number;
}

/** Unpacks the UCI digits into an imagefolder: train/3/0042.png, validation/…, test/…, by a seeded draw for each class. */
export async function unpackDigits(folder: string, split: DigitSplit): Promise<void> {
  const labels = parse(await readFile(new URL("labels.csv", digitsFolder)), { columns: true }) as {
    label: string;
  }[];
  const sheet = sharp(fileURLToPath(new URL("digits.png", digitsFolder)));
  const { data, info } = await sheet.extractChannel(0).raw().toBuffer({ resolveWithObject: true });
  const classes = [...new Set(labels.map(({ label }) => label))].sort();
  for (const name of classes) {
    const members = labels.flatMap(({ label }, i) => (label === name ? [i] : []));
    const order = random(split.seed, "digits", name).permutation(members.length);
    for (const [part, from, to] of partsOf(split, members.length)) {
      const target = join(folder, part, name);
      await mkdir(target, { recursive: true });
      const chosen = [...order.subarray(from, to)].map((i) => members[i]!);
      await Promise.all(
        chosen.map(async (i) => {
          const png = await sharp(cut(data, info.width, i), {
            raw: { width: side, height: side, channels: 1 },
          })
            .toColourspace("b-w")
            .png({ compressionLevel: 0 })
            .toBuffer();
          await writeFile(join(target, `${String(i).padStart(4, "0")}.png`), png);
        }),
      );
    }
  }
}

const partsOf = ({ perClass, validationPerClass }: DigitSplit, size: number) =>
  [
    ["train", 0, perClass],
    ["validation", perClass, perClass + validationPerClass],
    ["test", perClass + validationPerClass, size],
  ] as const;

/** Image `index` of a sheet that holds them row by row. */
function cut(sheet: Buffer, width: number, index: number): Buffer {
  const columns = width / side;
  const [x, y] = [(index % columns) * side, Math.floor(index / columns) * side];
  const rows = Array.from({ length: side }, (_, row) =>
    sheet.subarray((y + row) * width + x, (y + row) * width + x + side),
  );
  return Buffer.concat(rows);
}
