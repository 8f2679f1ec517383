import { cp, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { asWriteError, writeFileAtomic } from "../../base/atomic-file.node.ts";
import { DiapasonError } from "../../base/errors.ts";
import { staysInside } from "../../base/stays-inside.ts";
import { openCheckpoint } from "../../formats/checkpoint.node.ts";
import { saveSafetensors } from "../../formats/safetensors.node.ts";
import { asFloat32 } from "../../graph/passes/stored-types.ts";
import type { Tensor } from "../../graph/tensor.ts";
import {
  type DenseActivation,
  type DenseLayer,
  denseActivations,
  type Pooling,
  type SentenceVector,
} from "../../tasks/sentence-vector.ts";

type Fields = Readonly<Record<string, unknown>>;

/** What sentence-transformers' files beside a model say of its vectors. */
export interface SentenceModules extends SentenceVector {
  /** Texts are cut to as many tokens; absent where that is the tokenizer's to say. */
  readonly maxTokens: number | undefined;
  readonly lowersCase: boolean;
  /** What stands before every text. */
  readonly prompt: string;
  /** Names of prompts that stand before a text where they are asked for. */
  readonly prompts: readonly string[];
  /** Folders of modules, and the Dense layers in them. */
  readonly folders: ReadonlyMap<string, DenseLayer | undefined>;
  /** Whether the folder is one of sentence-transformers. */
  readonly isThere: boolean;
}

/** Older configs have a field of yes or no for each pooling; several that hold are put one behind the other in this order. */
const poolingFields: { readonly [P in Pooling]: string } = {
  cls: "pooling_mode_cls_token",
  max: "pooling_mode_max_tokens",
  mean: "pooling_mode_mean_tokens",
  mean_sqrt_len_tokens: "pooling_mode_mean_sqrt_len_tokens",
  weightedmean: "pooling_mode_weightedmean_tokens",
  lasttoken: "pooling_mode_lasttoken",
};
const poolingKinds = Object.keys(poolingFields) as readonly Pooling[];

/**
 * Reads modules.json and what it names: a Transformer, a Pooling, Dense layers, and whether vectors are made of length 1. A folder
 * without it is pooled as 1_Pooling says, else by the mean, to vectors of length 1.
 *
 * @throws models/unsupported-module for modules and settings of which other vectors would come, models/bad-config
 */
export async function readSentenceModules(folder: string): Promise<SentenceModules> {
  const listed = await readJson(folder, "modules.json");
  const modules = Array.isArray(listed)
    ? listed.map((one: unknown) => {
        const module = (one ?? {}) as Fields;
        return { path: pathOf(folder, module), type: lastWord(`${module["type"]}`) };
      })
    : [
        { path: "", type: "Transformer" },
        { path: "1_Pooling", type: "Pooling" },
        { path: "2_Normalize", type: "Normalize" },
      ];
  const poolings: Pooling[] = [];
  const dense: DenseLayer[] = [];
  const folders = new Map<string, DenseLayer | undefined>();
  let isUnit = false;
  let includesPrompt = true;
  for (const [i, { path, type }] of modules.entries()) {
    const config = (await readJson(folder, join(path, "config.json"))) as Fields;
    const isFirst = i === 0 && type === "Transformer" && path === "";
    if (!isFirst) folders.set(path, undefined);
    if (isFirst || type === "Dropout") continue;
    if (type === "Pooling" && i === 1) {
      poolings.push(...poolingsOf(folder, path, config));
      includesPrompt = config["include_prompt"] !== false;
    } else if (type === "Dense" && poolings.length > 0 && !isUnit) {
      const layer = await denseOf(folder, path, config);
      dense.push(layer);
      folders.set(path, layer);
    } else if (type === "Normalize" && poolings.length > 0 && readsVectors(config)) isUnit = true;
    else throw unsupported(folder, `has the module "${type}" as number ${i + 1} (${path || "."})`);
  }
  if (poolings.length === 0) throw unsupported(folder, "has no Pooling as its second module");
  return {
    poolings,
    dense,
    isUnit,
    folders,
    isThere: Array.isArray(listed),
    ...(await settingsOf(folder, includesPrompt)),
  };
}

/** How texts are read before the network. */
async function settingsOf(
  folder: string,
  includesPrompt: boolean,
): Promise<Pick<SentenceModules, "maxTokens" | "lowersCase" | "prompt" | "prompts">> {
  const reading = (await readJson(folder, "sentence_bert_config.json")) as Fields;
  const whole = (await readJson(folder, "config_sentence_transformers.json")) as Fields;
  const prompts = new Map(
    Object.entries(whole["prompts"] ?? {}).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    ),
  );
  const usual = whole["default_prompt_name"];
  const prompt = typeof usual === "string" ? (prompts.get(usual) ?? "") : "";
  if (prompt !== "" && !includesPrompt)
    throw unsupported(
      folder,
      `puts "${prompt}" before every text and leaves it out of the pooling (include_prompt)`,
    );
  const task = reading["transformer_task"] ?? "feature-extraction";
  if (task !== "feature-extraction")
    throw unsupported(folder, `sets "transformer_task" to ${JSON.stringify(task)}`);
  const most = reading["max_seq_length"];
  return {
    maxTokens: typeof most === "number" && most > 0 ? most : undefined,
    lowersCase: reading["do_lower_case"] === true,
    prompt,
    prompts: [...prompts].flatMap(([name, text]) => (text ? [name] : [])),
  };
}

/** A module's folder in that of the model, which a tuned one has too. @throws models/bad-config where it leads out of it */
function pathOf(folder: string, { path = "" }: Fields): string {
  if (staysInside(`${path}`)) return `${path}`;
  throw new DiapasonError(
    "models/bad-config",
    `${join(folder, "modules.json")} names the module ${JSON.stringify(path)}, which is no folder inside of the model's.`,
    "Do not use the model; take another copy of it.",
  );
}

const lastWord = (type: string): string => type.split(".").at(-1) ?? type;

/** Whether a module reads and gives whole vectors, not those of tokens. */
const readsVectors = (config: Fields): boolean =>
  ["module_input_name", "module_output_name"].every((key) =>
    [undefined, null, "sentence_embedding"].includes(config[key] as string | undefined | null),
  );

function poolingsOf(folder: string, path: string, config: Fields): readonly Pooling[] {
  const named = config["pooling_mode"];
  const found =
    named === undefined
      ? poolingKinds.filter((kind) => config[poolingFields[kind]] === true)
      : [named].flat().map(String);
  if (found.length === 0) return ["mean"];
  const known = found.filter((kind) => poolingKinds.includes(kind as Pooling)) as Pooling[];
  if (known.length === found.length) return known;
  throw unsupported(folder, `pools by ${JSON.stringify(named)} (${path}/config.json)`);
}

async function denseOf(folder: string, path: string, config: Fields): Promise<DenseLayer> {
  const given = config["activation_function"];
  const name = given === undefined ? "Tanh" : lastWord(`${given}`);
  const activation = denseActivations.find((one) => one === name) as DenseActivation | undefined;
  if (!activation || !/^torch\.nn\.|^undefined$/.test(`${given}`))
    throw unsupported(folder, `has the activation "${given}" (${path})`);
  if (!readsVectors(config))
    throw unsupported(folder, `has a Dense of tokens: "${config["module_input_name"]}" (${path})`);
  if (config["use_residual"] === true) throw unsupported(folder, `sets "use_residual" (${path})`);
  const { tensors } = await openCheckpoint(join(folder, path));
  const [weight, bias] = ["linear.weight", "linear.bias"].map((key) => {
    const tensor = tensors.get(key);
    return tensor && asFloat32(tensor);
  });
  const [outSize, inSize] = weight?.dims ?? [];
  const fits =
    weight?.dtype === "float32" && outSize === config["out_features"] && inSize === config["in_features"];
  if (!weight || !fits)
    throw new DiapasonError(
      "models/weight-shape",
      `"linear.weight" of ${join(folder, path)} is ${weight ? `[${weight.dims.join(", ")}]` : "missing"}; its config.json makes it [${config["out_features"]}, ${config["in_features"]}].`,
      "Download the model again.",
    );
  const stem = `${path}.linear`;
  return { weightName: `${stem}.weight`, biasName: `${stem}.bias`, weight, bias, activation };
}

/**
 * Writes what sentence-transformers needs beside a model: what the base has of it, with Dense layers as they are now, else what
 * says the same. `values`: new numbers of Dense layers, by their names.
 * @throws base/disk-full, base/not-writable
 */
export async function writeSentenceModules(
  from: string,
  to: string,
  modules: SentenceModules,
  { maxTokens, values }: { readonly maxTokens: number; readonly values: ReadonlyMap<string, Tensor> },
): Promise<void> {
  try {
    if (modules.isThere) await copyModules(from, to, modules, values);
    else await writeUsual(to, modules.poolings);
    const reading = (await readJson(from, "sentence_bert_config.json")) as Fields;
    const told = { do_lower_case: false, ...reading, max_seq_length: maxTokens };
    await writeJson(join(to, "sentence_bert_config.json"), told);
  } catch (error) {
    throw asWriteError(error, to);
  }
}

async function copyModules(
  from: string,
  to: string,
  { folders }: SentenceModules,
  values: ReadonlyMap<string, Tensor>,
): Promise<void> {
  for (const name of ["modules.json", "config_sentence_transformers.json"]) await copy(from, to, name);
  for (const [path, dense] of folders) {
    await mkdir(join(to, path), { recursive: true });
    await copy(from, to, join(path, "config.json"));
    if (!dense) continue;
    const { weight, weightName, bias, biasName } = dense;
    const tensors = new Map([["linear.weight", values.get(weightName) ?? weight]]);
    if (bias) tensors.set("linear.bias", values.get(biasName) ?? bias);
    await saveSafetensors(join(to, path, "model.safetensors"), tensors, { format: "pt" });
  }
}

/** A file where there is one. */
const copy = (from: string, to: string, name: string): Promise<void> =>
  cp(join(from, name), join(to, name), { dereference: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });

async function writeUsual(to: string, poolings: readonly Pooling[]): Promise<void> {
  const module = (idx: number, path: string, type: string) => ({
    idx,
    name: String(idx),
    path,
    type: `sentence_transformers.models.${type}`,
  });
  await writeJson(join(to, "modules.json"), [
    module(0, "", "Transformer"),
    module(1, "1_Pooling", "Pooling"),
    module(2, "2_Normalize", "Normalize"),
  ]);
  await mkdir(join(to, "1_Pooling"), { recursive: true });
  await writeJson(
    join(to, "1_Pooling", "config.json"),
    Object.fromEntries(poolingKinds.map((kind) => [poolingFields[kind], poolings.includes(kind)])),
  );
}

const writeJson = (path: string, content: object): Promise<void> =>
  writeFileAtomic(path, `${JSON.stringify(content, null, 2)}\n`);

/** A file of JSON; {} where there is none. @throws models/bad-config */
async function readJson(folder: string, name: string): Promise<unknown> {
  const text = await readFile(join(folder, name), "utf8").catch(() => "{}");
  try {
    const content: unknown = JSON.parse(text);
    if (typeof content === "object" && content !== null) return content;
  } catch (cause) {
    throw badJson(folder, name, cause);
  }
  throw badJson(folder, name);
}

const badJson = (folder: string, name: string, cause?: unknown): DiapasonError =>
  new DiapasonError(
    "models/bad-config",
    `${join(folder, name)} is no object of JSON.`,
    "Download the model again, or mend the file.",
    cause,
  );

const unsupported = (folder: string, what: string): DiapasonError =>
  new DiapasonError(
    "models/unsupported-module",
    `The sentence-transformers model at ${folder} ${what}; Diapason computes a Transformer, a Pooling, Dense layers (${denseActivations.join(", ")}) and Normalize, in this order.`,
    "Tune its Transformer alone: give a copy of the folder without modules.json, or another model.",
  );
