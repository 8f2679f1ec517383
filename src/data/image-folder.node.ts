import { join, resolve } from "node:path";
import { DiapasonError, nearest } from "../base/errors.ts";
import type { ClassNames } from "./class-names.ts";
import { compareCodePoints, listNames } from "./code-points.ts";
import type { DataFinding, ImageDataset, ImageExample, SplitName } from "./dataset.ts";
import { readFolderClasses } from "./folder-classes.node.ts";
import { type Labelled, readLabels } from "./folder-labels.node.ts";
import { countExtensions, type FolderListing, imageExtensions, listFolder } from "./image-files.node.ts";
import { byLabel, limitPerClass, splitStratified } from "./stratified-split.ts";

export interface ImageFolderOptions {
  /** Decides which images are held out, and which a limit keeps. */
  readonly seed: number;
  /** Share of each class held out when there is no validation folder, 0 ≤ share < 1; 0: none. Default 0.1. */
  readonly validationShare?: number;
  /** Share of each class held out as test images when there is no test folder, 0 ≤ share < 1. Default 0. */
  readonly testShare?: number;
  /** Class names in the order of an existing model's outputs. Labels beyond them are refused; classes may lack images. */
  readonly classes?: readonly string[];
  /** Use at most this many training images of a class, after splitting. */
  readonly limitPerClass?: number;
  /** Column of the metadata file that holds the label; default: the one that dataset_info.json says is a class, or "label". */
  readonly labelColumn?: string;
}

const splitNames: readonly SplitName[] = ["train", "validation", "test"];

/**
 * Opens a folder of labelled images, laid out as Hugging Face's imagefolder.
 *
 * Class folders (`dir/cat/1.png`), or split folders around them (train|training, validation|valid|val|dev,
 * test|testing), or `metadata.csv|jsonl` with `file_name` and a label, in `dir` or in each split folder. The label of
 * a nested image is the outermost class folder. Splits that are not there are drawn from the training images, the
 * same share of each class.
 * @throws data/… : each code's row says when.
 */
export async function openImageFolder(dir: string, options: ImageFolderOptions): Promise<ImageDataset> {
  checkOptions(options);
  const root = resolve(dir);
  const listing = await listFolder(root);
  if (listing.images.length === 0) throw noImages(dir, listing);
  const listed = await readFolderClasses(root);
  const [only, ...more] = Object.keys(listed);
  const column = options.labelColumn ?? (more.length === 0 ? only : undefined);
  const { parts, findings, layout } = await readLabels(root, listing, column);
  const classes = chooseClasses(dir, parts, options.classes, listed);
  const splits = { train: [], validation: [], test: [] } as Record<SplitName, readonly ImageExample[]>;
  for (const name of splitNames) {
    splits[name] = toExamples(root, parts[name] ?? [], name, classes, options.classes !== undefined);
  }
  const origin = [layout];
  for (const [name, share] of [
    ["test", options.testShare ?? 0],
    ["validation", options.validationShare ?? 0.1],
  ] as const) {
    if (parts[name]?.length || share === 0 || splits.train.length === 0) continue;
    const { kept, taken } = splitStratified(splits.train, share, {
      seed: options.seed,
      purpose: name,
      classes,
    });
    splits.train = kept;
    splits[name] = taken;
    origin.push(`${name}: seeded stratified split of train (${Math.round(share * 1000) / 10} %)`);
  }
  if (options.limitPerClass !== undefined) {
    splits.train = limitPerClass(splits.train, options.limitPerClass, options.seed, classes);
    origin.push(`train: at most ${options.limitPerClass} of a class`);
  }
  return {
    root,
    classes,
    splits,
    origin: origin.join("; "),
    findings: [...findings, ...judgeBalance(splits.train, classes)],
  };
}

function checkOptions({
  validationShare = 0.1,
  testShare = 0,
  limitPerClass,
  classes,
}: ImageFolderOptions): void {
  const refuse = (message: string, fix: string) => {
    throw new DiapasonError("data/bad-option", message, fix);
  };
  for (const [name, share] of Object.entries({ validationShare, testShare })) {
    if (!(share >= 0 && share < 1))
      refuse(
        `${name} is ${share}; it is a share of the images.`,
        `Give ${name} a value from 0 up to, but not including, 1.`,
      );
  }
  if (limitPerClass !== undefined && !(Number.isInteger(limitPerClass) && limitPerClass >= 1)) {
    refuse(`limitPerClass is ${limitPerClass}; it counts images.`, "Give a whole number of at least 1.");
  }
  const twice = classes?.find((name, i) => classes.indexOf(name) !== i);
  if (twice !== undefined)
    refuse(`The class "${twice}" stands twice in the list of classes.`, "Name each class once.");
}

function noImages(dir: string, { others, folders }: FolderListing): DiapasonError {
  const found =
    others.length > 0
      ? `it holds ${countExtensions(others)} (${listNames(others, 3)})`
      : folders.length > 0
        ? `its ${folders.length} folders are empty`
        : "it is empty";
  const extensions = [...imageExtensions].join(" ");
  return new DiapasonError(
    "data/no-images",
    `There are no images in "${dir}": ${found}.`,
    `Give a folder with images of these kinds, or convert them: ${extensions}.`,
  );
}

/** The classes of the training images: the given ones, those that dataset_info.json lists in its order, or sorted. */
function chooseClasses(
  dir: string,
  parts: Partial<Record<SplitName, readonly Labelled[]>>,
  given: readonly string[] | undefined,
  listed: ClassNames,
): readonly string[] {
  if (given) return given;
  if (!parts.train?.length) {
    throw new DiapasonError(
      "data/no-training-images",
      `"${dir}" has ${listNames(Object.keys(parts))} images, but none to train on.`,
      'Add a folder "train" with one folder of images for each class.',
    );
  }
  const classes = [...new Set(parts.train.map(({ label }) => label))].sort(compareCodePoints);
  const known = Object.values(listed).find((names) => classes.every((name) => names.includes(name)));
  if (known && known.length > 1) return known;
  if (classes.length > 1) return classes;
  const inner = foldersBelow(parts.train);
  throw new DiapasonError(
    "data/single-class",
    `All ${parts.train.length} training images in "${dir}" have the label "${classes[0]}".`,
    inner.length > 1
      ? `Did you mean the folder "${join(dir, classes[0]!)}"? It holds ${inner.length} folders.`
      : "Add a folder of images for at least one other class.",
  );
}

/** Folders inside the only class folder, when every image lies in one: then the class folders are one level deeper. */
function foldersBelow(train: readonly Labelled[]): readonly string[] {
  const tails = train.map(({ id, label }) => id.slice(id.indexOf(`${label}/`) + label.length + 1));
  return tails.every((tail) => tail.includes("/"))
    ? [...new Set(tails.map((tail) => tail.split("/")[0]!))]
    : [];
}

function toExamples(
  root: string,
  part: readonly Labelled[],
  split: SplitName,
  classes: readonly string[],
  areFixed: boolean,
): ImageExample[] {
  const numbers = new Map(classes.map((name, i) => [name, i]));
  const unknown = new Map<string, number>();
  const examples: ImageExample[] = [];
  for (const { id, label } of part) {
    const number = numbers.get(label);
    if (number === undefined) unknown.set(label, (unknown.get(label) ?? 0) + 1);
    else examples.push({ id, path: join(root, id), label: number });
  }
  if (unknown.size === 0) return examples;
  const named = [...unknown].map(
    ([label, count]) => `"${label}" (${count} ${count === 1 ? "file" : "files"})`,
  );
  const near = nearest([...unknown.keys()][0]!, classes);
  throw new DiapasonError(
    "data/unknown-label",
    `The ${split} images have labels that ${areFixed ? "the model does not have" : "training never saw"}: ${named.slice(0, 5).join(", ")}${named.length > 5 ? ` and ${named.length - 5} more` : ""}.`,
    near
      ? `Rename the label if "${near}" is meant, or remove those images.`
      : `${areFixed ? "Use" : "Add training images of them, use"} the labels ${listNames(classes)}, or remove those images.`,
  );
}

/** Below this many training images of a class, its accuracy is luck. */
const tinyClass = 5;
/** Largest over smallest class from which accuracy alone misleads. */
const unbalancedRatio = 3;

function judgeBalance(train: readonly ImageExample[], classes: readonly string[]): DataFinding[] {
  if (train.length === 0) return [];
  const groups = byLabel(train);
  const counts = classes.map((name, i) => ({ name, count: groups.get(i)?.length ?? 0 }));
  const findings: DataFinding[] = [];
  const absent = counts.filter(({ count }) => count === 0).map(({ name }) => name);
  if (absent.length > 0) {
    findings.push({ kind: "absent-classes", message: `No training images for ${listNames(absent)}.` });
  }
  const tiny = counts.filter(({ count }) => count > 0 && count < tinyClass);
  if (tiny.length > 0) {
    const named = listNames(tiny.map(({ name, count }) => `${name}: ${count}`));
    findings.push({
      kind: "tiny-classes",
      message: `Fewer than ${tinyClass} training images in ${tiny.length} of ${classes.length} classes: ${named}.`,
    });
  }
  const present = counts.filter(({ count }) => count > 0).sort((a, b) => b.count - a.count);
  const [most, least] = [present[0]!, present.at(-1)!];
  if (most.count >= unbalancedRatio * least.count) {
    findings.push({
      kind: "class-balance",
      message: `Classes are unbalanced: "${most.name}" has ${most.count} training images, "${least.name}" ${least.count}; read macro-F1 rather than accuracy.`,
    });
  }
  return findings;
}
