import type { Stats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, extname, join, resolve } from "node:path";
import { DiapasonError } from "../base/errors.ts";
import { random } from "../base/random.ts";
import { loadNpy, loadNpz } from "../formats/npz.node.ts";
import { loadSafetensors } from "../formats/safetensors.node.ts";
import type { Tensor } from "../graph/tensor.ts";
import { type ArrayDataset, type ArrayPart, type ArraySet, arraySetOf } from "./array-set.ts";
import { compareCodePoints, listNames } from "./code-points.ts";
import type { DataFinding, SplitName } from "./dataset.ts";
import { readJsonlArrays } from "./jsonl-arrays.node.ts";
import { splitOf } from "./split-words.ts";

interface Opened {
  readonly arrays: ReadonlyMap<string, Tensor>;
  readonly findings?: readonly DataFinding[];
}

/** Files that hold named arrays, by their extensions. */
const readers: { readonly [extension: string]: (path: string) => Promise<Opened> } = {
  ".npz": async (path) => ({ arrays: await loadNpz(path) }),
  ".safetensors": async (path) => ({ arrays: (await loadSafetensors(path)).tensors }),
  ".jsonl": readJsonlArrays,
};
const extensions = Object.keys(readers);

export interface ArrayOptions {
  /** Decides which examples are held out. */
  readonly seed: number;
  /** Share of the training examples held out where there is no validation split, 0 ≤ share < 1; 0: none. */
  readonly validationShare: number;
}

/**
 * Opens named arrays: a .npz, .safetensors or .jsonl file, a folder of .npy files, or a folder with one of these for each
 * split (`train.npz`, `validation.npz`, `test.npz`, or folders of those names).
 *
 * The first axis of every array counts the examples. Without a validation split a share of the training examples is held
 * out, drawn by the seed.
 * @throws data/not-found, data/no-arrays, data/unequal-arrays, data/bad-arrays, data/bad-jsonl, and what reading throws.
 */
export async function openArrays(
  path: string,
  { seed, validationShare }: ArrayOptions,
): Promise<ArrayDataset> {
  const root = resolve(path);
  const info = await statOf(path, root);
  const findings: DataFinding[] = [];
  const open = async (place: string) => {
    const opened = await openPlace(place);
    findings.push(...(opened.findings ?? []));
    return whole(arraySetOf(place, opened.arrays));
  };
  const found = info.isDirectory() ? await findSplits(root) : undefined;
  if (!found) {
    const all = await open(root);
    return {
      root,
      findings,
      ...held(
        all,
        { seed, validationShare },
        info.isDirectory() ? "folder of .npy files" : `one ${extname(root)} file`,
      ),
    };
  }
  const parts: Partial<Record<SplitName, ArrayPart>> = {};
  for (const [split, place] of found) parts[split] = await open(place);
  const { train } = parts;
  if (!train)
    throw new DiapasonError(
      "data/no-arrays",
      `"${path}" has ${listNames([...found.keys()])} arrays, but none to train on.`,
      'Add a file "train.npz", or name the file itself.',
    );
  for (const part of [parts.validation, parts.test]) if (part) checkAlike(train.set, part.set);
  const given = [...found.values()].map((place) => basename(place)).join(", ");
  const { splits, origin } = parts.validation
    ? { splits: { train, validation: parts.validation, test: none(train) }, origin: given }
    : held(train, { seed, validationShare }, given);
  return { root, findings, origin, splits: { ...splits, test: parts.test ?? none(train) } };
}

/**
 * Opens one set of arrays, of which every example counts: of what is to be predicted.
 * @throws data/ambiguous-split for a folder that holds several
 */
export async function openArraySet(path: string): Promise<ArraySet> {
  const root = resolve(path);
  const info = await statOf(path, root);
  const splits = info.isDirectory() ? await findSplits(root) : undefined;
  if (splits)
    throw new DiapasonError(
      "data/ambiguous-split",
      `"${path}" holds several sets of examples: ${listNames([...splits.values()].map((place) => basename(place)))}.`,
      "Name one of them.",
    );
  return arraySetOf(root, (await openPlace(root)).arrays);
}

const statOf = (path: string, root: string): Promise<Stats> =>
  stat(root).catch((cause: unknown) => {
    throw new DiapasonError(
      "data/not-found",
      `There is no file or folder "${path}".`,
      `Give a ${extensions.join(", ")} file, a folder of .npy files, or a folder with train and validation files.`,
      cause,
    );
  });

const whole = (set: ArraySet): ArrayPart => ({
  set,
  rows: Uint32Array.from({ length: set.examples }, (_, i) => i),
});
const none = ({ set }: ArrayPart): ArrayPart => ({ set, rows: new Uint32Array() });

/** Takes a seeded share of the examples for validation, at least one and not all. */
function held(
  all: ArrayPart,
  { seed, validationShare }: ArrayOptions,
  layout: string,
): Pick<ArrayDataset, "splits" | "origin"> {
  const count = all.rows.length;
  if (validationShare === 0)
    return { splits: { train: all, validation: none(all), test: none(all) }, origin: layout };
  if (count < 2)
    throw new DiapasonError(
      "data/bad-arrays",
      `${all.set.source}: it has ${count} example, so it cannot be split into training and validation.`,
      "Add examples, or give validation examples in a file of their own.",
    );
  const taken = Math.min(count - 1, Math.max(1, Math.round(count * validationShare)));
  const order = random(seed, "split", "validation").permutation(count);
  const part = (from: number, to: number) => ({
    ...all,
    rows: order
      .slice(from, to)
      .sort()
      .map((i) => all.rows[i]!),
  });
  const origin = `${layout}; validation: seeded split of train (${Math.round(validationShare * 1000) / 10} %)`;
  return { splits: { train: part(taken, count), validation: part(0, taken), test: none(all) }, origin };
}

/** The splits of a folder: files or folders with their names; undefined when it holds .npy files itself. */
async function findSplits(root: string): Promise<Map<SplitName, string> | undefined> {
  const entries = (await readdir(root, { withFileTypes: true })).sort((a, b) =>
    compareCodePoints(a.name, b.name),
  );
  const found = new Map<SplitName, string>();
  for (const entry of entries) {
    const extension = entry.isDirectory() ? "" : extname(entry.name);
    if (!entry.isDirectory() && !Object.hasOwn(readers, extension.toLowerCase())) continue;
    const split = splitOf(basename(entry.name, extension));
    if (!split) continue;
    const other = found.get(split);
    if (other)
      throw new DiapasonError(
        "data/ambiguous-split",
        `"${basename(other)}" and "${entry.name}" in "${root}" both hold ${split} examples.`,
        "Keep one of them.",
      );
    found.set(split, join(root, entry.name));
  }
  if (found.size > 0) return found;
  if (entries.some(({ name }) => extname(name) === ".npy")) return undefined;
  throw new DiapasonError(
    "data/no-arrays",
    `"${root}" holds no arrays: ${listNames(entries.map(({ name }) => name)) || "it is empty"}.`,
    `Give a ${extensions.join(", ")} file, a folder of .npy files, or a folder with train.npz and validation.npz.`,
  );
}

async function openPlace(path: string): Promise<Opened> {
  const info = await stat(path);
  if (info.isDirectory()) {
    const files = (await readdir(path)).filter((name) => extname(name) === ".npy").sort(compareCodePoints);
    if (files.length === 0)
      throw new DiapasonError(
        "data/no-arrays",
        `The folder "${path}" holds no .npy file.`,
        "Put one .npy file for each array into it, named after the array.",
      );
    return { arrays: new Map(files.map((name) => [basename(name, ".npy"), loadNpy(join(path, name))])) };
  }
  const reader = readers[extname(path).toLowerCase()];
  if (reader) return reader(path);
  throw new DiapasonError(
    "data/no-arrays",
    `"${path}" is no file of named arrays: it ends in "${extname(path)}".`,
    `Give a ${extensions.join(", ")} file, or a folder of .npy files.`,
  );
}

/** Splits must have the same arrays with the same sizes. */
function checkAlike(train: ArraySet, other: ArraySet): void {
  for (const [name, { dims }] of train.arrays) {
    const found = other.arrays.get(name);
    const text = (sizes: readonly number[]) => `[${["examples", ...sizes.slice(1)].join(", ")}]`;
    if (found && text(found.dims) === text(dims)) continue;
    throw new DiapasonError(
      "data/unequal-arrays",
      `"${name}" is ${text(dims)} in ${train.source}, and ${found ? text(found.dims) : "missing"} in ${other.source}.`,
      "Give every split the same arrays with the same sizes.",
    );
  }
}
