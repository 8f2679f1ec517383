import { parse } from "yaml";
import { DiapasonError } from "../../base/errors.ts";
import { type ClassNames, classNamesIn, type Features } from "../class-names.ts";
import { type ReaderSettings, readerSettings } from "./reader-settings.ts";

/** A way to read a repository of data: which files are its splits. */
export interface DatasetConfig {
  readonly name: string;
  readonly isDefault: boolean;
  /** Patterns of files by split, in the order of the card; absent where the names of files are to tell. */
  readonly splits?: ReadonlyMap<string, readonly string[]>;
  /** The folder that patterns begin at; "" for the repository itself. */
  readonly folder: string;
  /** How its files are to be read, where that is said. */
  readonly reader: ReaderSettings;
  /** Settings of Python's reader that are not followed. */
  readonly others: readonly string[];
}

/** What the README.md of a repository of data says in its front matter. */
export interface DatasetCard {
  readonly configs: readonly DatasetConfig[];
  /** Names of classes by column, of a config or of all ("" where the card names none). */
  readonly classNames: ReadonlyMap<string, ClassNames>;
}

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const listOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];

/**
 * Reads the front matter of a README.md as Hugging Face's datasets does: `configs` and `dataset_info`. `name`: the
 * repository, for messages.
 *
 * @throws data/bad-card
 */
export function readCard(text: string, name: string): DatasetCard {
  const [, yaml] = /^\uFEFF?---[ \t]*\r?\n([\s\S]*?)\r?\n---[ \t]*(\r?\n|$)/.exec(text) ?? [];
  if (yaml === undefined) return { configs: [], classNames: new Map() };
  const bad = (what: string, cause?: unknown) =>
    new DiapasonError(
      "data/bad-card",
      `The front matter of README.md in "${name}" ${what}.`,
      "Download the files and give the path of a file or folder, or tell the owner of the data set.",
      cause,
    );
  let fields: unknown;
  try {
    fields = parse(yaml, { logLevel: "error" });
  } catch (cause) {
    throw bad(`is no YAML: ${(cause as Error).message.split("\n")[0]!.replace(/[:.]+$/, "")}`, cause);
  }
  if (!isFields(fields)) return { configs: [], classNames: new Map() };
  const configs = listOf(fields["configs"]).map((value) => {
    const config = isFields(value) ? configOf(value) : undefined;
    if (config) return config;
    throw bad(`has a config that cannot be understood: ${(JSON.stringify(value) ?? "null").slice(0, 200)}`);
  });
  const infos = listOf(fields["dataset_info"]).filter(isFields);
  return {
    configs,
    classNames: new Map(
      infos.map((info) => [String(info["config_name"] ?? ""), classNamesIn(featuresOf(info["features"]))]),
    ),
  };
}

/** Keys of a config that say which files are its; every other one is for the reader of Python's library. */
const known: ReadonlySet<string> = new Set(["config_name", "data_files", "data_dir", "default", "version"]);

function configOf(value: Fields): DatasetConfig | undefined {
  const { config_name: name = "default", data_files: files, data_dir: folder = "" } = value;
  if (typeof folder !== "string") return undefined;
  const splits = files === undefined || files === null ? undefined : splitsOf(files);
  if (splits === "wrong") return undefined;
  return {
    name: String(name),
    isDefault: value["default"] === true,
    ...(splits && { splits }),
    folder: plainFolder(folder),
    ...readerSettings(value, known),
  };
}

/** "./data/" as "data". */
const plainFolder = (folder: string): string =>
  folder
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");

/** `data_files` in each of its forms: a pattern, several, by split, or a list of splits with theirs. */
function splitsOf(files: unknown): ReadonlyMap<string, readonly string[]> | "wrong" {
  const patterns = (value: unknown): readonly string[] | undefined => {
    const list = listOf(value);
    return list.length > 0 && list.every((one) => typeof one === "string") ? list : undefined;
  };
  const entries: (readonly [string, unknown])[] = isFields(files)
    ? Object.entries(files)
    : Array.isArray(files) && files.some(isFields)
      ? files.map((one) => (isFields(one) ? [String(one["split"]), one["path"]] : ["", undefined]))
      : [["train", files]];
  const splits = new Map<string, readonly string[]>();
  for (const [split, value] of entries) {
    const found = patterns(value);
    if (!found || splits.has(split)) return "wrong";
    splits.set(split, found);
  }
  return splits;
}

/** Features as a card lists them, `{name, dtype | sequence | list | struct}`, as those that files hold. */
function featuresOf(list: unknown): Features {
  return Object.fromEntries(
    listOf(list).flatMap((value) => {
      if (!isFields(value) || typeof value["name"] !== "string") return [];
      const names = namesIn(value["dtype"]) ?? namesIn(value["sequence"]) ?? namesIn(value["list"]);
      return names ? [[value["name"], { names }]] : [];
    }),
  );
}

/** The names in `{class_label: {names: …}}`, a list or a mapping of numbers, also below a `dtype` of a sequence. */
function namesIn(type: unknown): readonly string[] | undefined {
  if (!isFields(type)) return undefined;
  const label = type["class_label"];
  if (!isFields(label)) return namesIn(type["dtype"]);
  const { names } = label;
  if (Array.isArray(names)) return names.map(String);
  if (!isFields(names)) return undefined;
  const numbers = Object.keys(names).map(Number);
  const isWhole = numbers.every(
    (number) => Number.isInteger(number) && number >= 0 && number < numbers.length,
  );
  return isWhole ? numbers.toSorted((a, b) => a - b).map((number) => String(names[number])) : undefined;
}
