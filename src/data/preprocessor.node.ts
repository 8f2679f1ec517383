import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { writeFileAtomic } from "../base/atomic-file.node.ts";
import { DiapasonError } from "../base/errors.ts";
import type { ImagePreprocessor } from "./dataset.ts";
import {
  formatPreprocessor,
  overridePreprocessor,
  type PreprocessorOverrides,
  parsePreprocessor,
} from "./preprocessor.ts";
import type { InputFacts } from "./preprocessor-geometry.ts";

const fileName = "preprocessor_config.json";

/** Reads `preprocessor_config.json` of a folder; undefined when there is none. @throws data/bad-preprocessor. */
export async function loadPreprocessor(
  folder: string,
  input: InputFacts,
): Promise<ImagePreprocessor | undefined> {
  const path = join(folder, fileName);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw new DiapasonError(
      "data/bad-preprocessor",
      `"${path}" cannot be read: ${(error as Error).message}.`,
      "Check the file's permissions.",
      error,
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new DiapasonError(
      "data/bad-preprocessor",
      `"${path}" is not JSON: ${(cause as Error).message}.`,
      "Mend the file, or delete it and give size, mean and std.",
      cause,
    );
  }
  return parsePreprocessor(json, `"${path}"`, input);
}

/** Height and width of the images that a model's files, or else the options, ask for; undefined where neither says. */
export async function preprocessedSize(
  modelPath: string,
  overrides: PreprocessorOverrides,
): Promise<readonly [number, number] | undefined> {
  const { size } = overrides;
  if (size !== undefined) return [size, size];
  for (const folder of foldersOf(modelPath)) {
    const found = await loadPreprocessor(folder, { layout: "nchw" });
    if (found) return [found.height, found.width];
  }
  return undefined;
}

/** Writes `preprocessor_config.json` into a folder. @throws base/disk-full, base/not-writable. */
export async function savePreprocessor(folder: string, preprocessor: ImagePreprocessor): Promise<void> {
  await writeFileAtomic(
    join(folder, fileName),
    `${JSON.stringify(formatPreprocessor(preprocessor), null, 2)}\n`,
  );
}

/** Mean and standard deviation of ImageNet's pixels, on the scale 0…1: what most pretrained image models were given. */
const imageNet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
/** Height and width where neither the model nor the user says it. */
const usualSize = 224;

/**
 * How images become a model's input: the model's preprocessor_config.json, else the shape of its input and ImageNet's
 * statistics, with the options before both. What was inferred is said in `notes`.
 *
 * `modelPath`: folder, or .onnx file (also in an "onnx" folder). `inputShape`: [batch, channels, height, width] or
 * [batch, height, width, channels], names where a size is free.
 * @throws data/bad-preprocessor.
 */
export async function resolvePreprocessor(
  modelPath: string,
  overrides: PreprocessorOverrides,
  inputShape: readonly (number | string)[],
): Promise<{ readonly preprocessor: ImagePreprocessor; readonly notes: readonly string[] }> {
  const input = readInputShape(inputShape);
  const isFixed = input.height !== undefined || input.width !== undefined;
  if (overrides.size !== undefined && isFixed && (input.height ?? overrides.size) !== overrides.size) {
    throw new DiapasonError(
      "data/bad-preprocessor",
      `The size ${overrides.size} is asked for, but the model takes ${input.height}×${input.width} pixels.`,
      "Leave the size out, or use an export of the model with free height and width.",
    );
  }
  // A size that the user gives goes before the file's, so the file is not held against the model's.
  const known =
    overrides.size === undefined
      ? input
      : { layout: input.layout, ...(input.channels ? { channels: input.channels } : {}) };
  for (const folder of foldersOf(modelPath)) {
    const found = await loadPreprocessor(folder, known);
    if (found) return { preprocessor: overridePreprocessor(found, overrides), notes: [] };
  }
  const notes: string[] = [];
  const channels = input.channels ?? 3;
  const height = overrides.size ?? input.height ?? usualSize;
  const width = overrides.size ?? input.width ?? usualSize;
  if (overrides.size === undefined) {
    notes.push(
      `No ${fileName}: images are resized to ${height}×${width} (${isFixed ? "the model's input" : "the usual size"}).`,
    );
  }
  if (!overrides.mean || !overrides.std)
    notes.push("Mean and deviation not given: ImageNet's are used on pixels scaled to 0…1.");
  const inferred = parsePreprocessor(
    { size: { height, width }, image_mean: imageNet.mean, image_std: imageNet.std },
    "The inferred preprocessing",
    { layout: input.layout, channels },
  );
  return {
    preprocessor: overridePreprocessor(inferred, { mean: overrides.mean, std: overrides.std }),
    notes,
  };
}

function readInputShape(shape: readonly (number | string)[]): InputFacts {
  const layout =
    shape.length === 4 && shape[1] !== 1 && shape[1] !== 3 && (shape[3] === 1 || shape[3] === 3)
      ? "nhwc"
      : "nchw";
  const [, a, b, c] = shape;
  const [channels, height, width] = layout === "nhwc" ? [c, a, b] : [a, b, c];
  const fixed = (size: number | string | undefined) =>
    typeof size === "number" && size > 0 ? size : undefined;
  return {
    layout,
    ...(channels === 1 || channels === 3 ? { channels } : {}),
    ...(fixed(height) === undefined ? {} : { height: fixed(height)! }),
    ...(fixed(width) === undefined ? {} : { width: fixed(width)! }),
  };
}

/** Where the file may lie: a model's folder, or beside a model file and around the folder "onnx" that holds it. */
function foldersOf(modelPath: string): string[] {
  if (!modelPath.toLowerCase().endsWith(".onnx")) return [modelPath];
  const folder = dirname(modelPath);
  return basename(folder) === "onnx" ? [folder, dirname(folder)] : [folder];
}
