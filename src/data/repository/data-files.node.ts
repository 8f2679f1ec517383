import { DiapasonError, nearest } from "../../base/errors.ts";
import type { ClassNames } from "../class-names.ts";
import { listNames } from "../code-points.ts";
import type { SplitName } from "../dataset.ts";
import type { DatasetCard, DatasetConfig } from "./dataset-card.ts";
import { commonFamily, countKinds, filesOfFamily, isMetadata } from "./file-kinds.node.ts";
import { fitsGlob } from "./glob.ts";
import type { ReaderSettings } from "./reader-settings.ts";
import { type ServingSplits, servingSplits, splitsIn } from "./split-names.ts";

/** What of a repository is read. */
export interface DataFiles {
  readonly config: string;
  readonly parts: ReadonlyMap<SplitName, readonly string[]>;
  /** What the card says of columns. */
  readonly classNames: ClassNames;
  /** What the card says of how the files are to be read. */
  readonly reader: ReaderSettings;
  readonly notes: readonly string[];
}

/** A repository before its data are fetched. */
export interface DataRepository {
  /** "org/name" */
  readonly name: string;
  /** Every file, "/" as separator. */
  readonly paths: readonly string[];
  readonly card: DatasetCard;
}

/**
 * Chooses the files to read as Hugging Face's `load_dataset` does: those of a config that the card names, or else those whose
 * names, or whose folders' names, say which split they are.
 *
 * `wanted`: the config; absent: the only one, or the one that is marked as default or called so.
 * @throws data/unknown-config, data/no-data-files
 */
export function chooseDataFiles(repository: DataRepository, wanted: string | undefined): DataFiles {
  const { name, paths, card } = repository;
  const config = chooseConfig(name, configsOf(repository), wanted);
  const inside = config.folder === "" ? "" : `${config.folder}/`;
  const within = paths.filter((path) => path.startsWith(inside) && path !== "README.md");
  const relative = within.map((path) => path.slice(inside.length));
  const splits = config.splits ? namedSplits(relative, config.splits) : inferredSplits(relative);
  const all = [...splits.values()].flat();
  const family = commonFamily(all);
  if (family === undefined) throw nothingToRead(repository, config, all);
  const filled = [...splits].flatMap(([split, files]) => {
    const own = filesOfFamily(files, family);
    // A file that tells of pictures is no split of its own.
    return own.some((path) => !isMetadata(path)) ? [[split, own] as const] : [];
  });
  const serving = servingSplits(new Map(filled));
  const used = apart(serving.parts);
  const parts = [...used.parts].map(
    ([split, files]) => [split, files.map((path) => `${inside}${path}`)] as const,
  );
  const { others } = config;
  return {
    config: config.name,
    parts: new Map(parts),
    reader: config.reader,
    classNames: card.classNames.get(config.name) ?? card.classNames.get("") ?? {},
    notes: [
      ...serving.notes,
      ...used.notes,
      ...(others.length > 0
        ? [
            `The card's settings ${listNames(others)} of "${config.name}" are for Python's reader and not followed.`,
          ]
        : []),
    ],
  };
}

/** Files of the copy in Parquet that the Hub makes of many data sets, at refs/convert/parquet. */
const converted = /^([^/]+)\/([^/]+)\/\d{4,}\.parquet$/;

/** The configs of the card, those of a converted copy, or one of all files. */
function configsOf({ paths, card }: DataRepository): readonly DatasetConfig[] {
  if (card.configs.length > 0) return card.configs;
  const data = paths.filter((path) => !/(^|\/)\.|^[^/]+$/.test(path));
  const found = data.map((path) => converted.exec(path));
  if (data.length === 0 || found.some((one) => !one))
    return [{ name: "default", isDefault: true, folder: "", reader: {}, others: [] }];
  return [...new Set(found.map((one) => one![1]!))].map((name) => {
    const splits = new Set(found.flatMap((one) => (one![1] === name ? one![2]! : [])));
    const patterns = [...splits].map((split) => [split, [`${split}/*.parquet`]] as const);
    return { name, isDefault: false, splits: new Map(patterns), folder: name, reader: {}, others: [] };
  });
}

function chooseConfig(
  name: string,
  configs: readonly DatasetConfig[],
  wanted: string | undefined,
): DatasetConfig {
  const names = configs.map((config) => config.name);
  if (wanted !== undefined) {
    const found = configs.find((config) => config.name === wanted);
    if (found) return found;
    const near = nearest(wanted, names);
    throw new DiapasonError(
      "data/unknown-config",
      `"${name}" has no config "${wanted}"; it has ${listNames(names, 20)}.`,
      near ? `Did you mean "${near}"?` : "Name one of them, or leave the config out.",
    );
  }
  const only = configs.length === 1 ? configs[0] : undefined;
  const found =
    only ?? configs.find(({ isDefault }) => isDefault) ?? configs.find((one) => one.name === "default");
  if (found) return found;
  throw new DiapasonError(
    "data/unknown-config",
    `"${name}" has ${configs.length} configs, and none is its default: ${listNames(names, 20)}.`,
    `Choose one, such as --data-config ${names[0]} (dataConfig in a recipe).`,
  );
}

/** Files that fit the patterns of each split. */
function namedSplits(
  paths: readonly string[],
  patterns: ReadonlyMap<string, readonly string[]>,
): ReadonlyMap<string, readonly string[]> {
  const found = [...patterns].map(([split, own]) => {
    const plain = own.map((pattern) => pattern.replace(/^\.\//, ""));
    return [split, paths.filter((path) => plain.some((pattern) => fitsGlob(path, pattern)))] as const;
  });
  return new Map(found);
}

/** Splits of which none is judged on files that train: those are held out, unless nothing would be left to train on. */
function apart(parts: ReadonlyMap<SplitName, readonly string[]>): ServingSplits<readonly string[]> {
  const train = parts.get("train") ?? [];
  const held = new Set([...parts].flatMap(([split, files]) => (split === "train" ? [] : files)));
  const twice = new Set(train.filter((path) => held.has(path)));
  if (twice.size === 0) return { parts, notes: [] };
  const stays = twice.size < train.length ? "held out" : "trained on";
  const left = [...parts].flatMap(([split, files]) => {
    const loses = (split === "train") === (stays === "held out");
    const own = loses ? files.filter((path) => !twice.has(path)) : files;
    return own.length > 0 ? [[split, own] as const] : [];
  });
  return {
    parts: new Map(left),
    notes: [
      `Files that are there for training and for judging are ${stays} alone: ${listNames([...twice], 3)}.`,
    ],
  };
}

const sharded = /^data\/(\w+(?:\.\w+)*)-\d{5}-of-\d{5}[^/]*\.[^/]*$/;

/** Splits by the names of files: numbered parts in data/, else folders that are called so, else files; else all is for training. */
export function inferredSplits(paths: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const visible = paths.filter((path) => !/(^|\/)(\.|__)/.test(path));
  const parts = grouped(visible, (path) => sharded.exec(path)?.[1]);
  if (parts.size > 0) return parts;
  const readable = filesOfFamily(visible, commonFamily(visible));
  const byFolder = grouped(readable, (path) => splitOfNames(path.split("/").slice(0, -1).reverse()));
  if (byFolder.size > 0) return byFolder;
  const byName = grouped(readable, (path) => splitOfNames(path.split("/").slice(-1)));
  return byName.size > 0 ? byName : new Map([["train", visible]]);
}

/** The first split that a name among some speaks of; of two in one name that for training goes first. */
function splitOfNames(names: readonly string[]): SplitName | undefined {
  for (const name of names) {
    const own = splitsIn(name);
    const found = (["train", "validation", "test"] as const).find((split) => own.has(split));
    if (found) return found;
  }
  return undefined;
}

function grouped(
  paths: readonly string[],
  splitOf: (path: string) => string | undefined,
): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>();
  for (const path of paths) {
    const split = splitOf(path);
    if (split === undefined) continue;
    if (!groups.has(split)) groups.set(split, []);
    groups.get(split)!.push(path);
  }
  return groups;
}

function nothingToRead(
  { name, paths }: DataRepository,
  config: DatasetConfig,
  files: readonly string[],
): DiapasonError {
  const instead = `Give "${name}@refs/convert/parquet", the copy in Parquet that the Hub makes of many data sets; or download and unpack the files, and give their folder.`;
  const script = paths.find((path) => path === `${name.split("/").at(-1)}.py`);
  const kinds = countKinds(files);
  const what =
    script && kinds === ""
      ? `has no data files, but ${script}, a script of Python that would fetch them; no script is run`
      : kinds === ""
        ? `has no data files${config.splits ? ` that fit the patterns of its config "${config.name}"` : ""}`
        : `has no data files that are read: ${kinds}${script ? `, which ${script}, a script of Python, would read` : ""}`;
  return new DiapasonError("data/no-data-files", `"${name}" ${what}.`, instead);
}
