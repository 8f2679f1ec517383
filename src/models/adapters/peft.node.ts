import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../base/atomic-file.node.ts";
import { DiapasonError } from "../../base/errors.ts";
import { openCheckpoint } from "../../formats/checkpoint.node.ts";
import { saveSafetensors } from "../../formats/safetensors.node.ts";
import { asFloat32 } from "../../graph/passes/stored-types.ts";
import { float32, type Tensor } from "../../graph/tensor.ts";
import type { HeadKind } from "../architecture.ts";
import { transpose } from "../checkpoint.ts";
import type { Model } from "../model.ts";
import { openNetwork } from "../open-network.node.ts";
import { sameTensor } from "../parameters.ts";
import { type AdaptedModel, type ArraysByName, floatsOf, transposed } from "./adapted.ts";
import { attachAdapter } from "./attach.ts";
import { findLayers, moduleOf } from "./layers.ts";
import { toldAs } from "./module-names.ts";
import { type PeftConfig, readPeftConfig } from "./peft-config.ts";
import { peftFiles, peftPrefix } from "./peft-tensors.ts";
import type { AdapterMethodName, AdapterSpec } from "./spec.ts";
import { tiedTable, untied } from "./untied.ts";

const configFile = "adapter_config.json";
const weightFiles = ["adapter_model.safetensors", "adapter_model.bin"];

/**
 * Writes an adapter as PEFT reads it: adapter_config.json and adapter_model.safetensors. False, and nothing written, for
 * a method that PEFT does not have.
 *
 * `values`: what training made of the parameters; of others the graph's count. `baseName`: where the base model is found,
 * a path or a name on the Hub; default the base's source.
 */
export async function savePeftAdapter(
  folder: string,
  model: AdaptedModel,
  { values = new Map(), baseName }: { readonly values?: ArraysByName; readonly baseName?: string } = {},
): Promise<boolean> {
  const files = peftFiles(model, values, baseName ?? model.adapter.base.source);
  if (!files) return false;
  await mkdir(folder, { recursive: true });
  await saveSafetensors(join(folder, "adapter_model.safetensors"), files.tensors, { format: "pt" });
  await writeFileAtomic(join(folder, configFile), `${JSON.stringify(files.config, null, 2)}\n`);
  return true;
}

/** What a network gives for the kinds of task that PEFT names. */
const headOfTask: { readonly [task: string]: HeadKind } = {
  SEQ_CLS: "sequence-classification",
  TOKEN_CLS: "token-classification",
  CAUSAL_LM: "causal-lm",
  FEATURE_EXTRACTION: "features",
};

/** What an adapter's files say of the model that it is for. */
export interface PeftDescription {
  /** `base_model_name_or_path`: a path or a name on the Hub, at `revision` where one is given. */
  readonly base: string | undefined;
  /** What the network gives, where the config names a task. */
  readonly head: HeadKind | undefined;
  /** Classes of the head that is in the file, of an adapter for a classifier. */
  readonly classes: number | undefined;
}

/** Whether a folder holds an adapter: its config and its weights. */
export const isPeftFolder = (folder: string): boolean =>
  [configFile, weightFiles].every((names) => [names].flat().some((name) => existsSync(join(folder, name))));

/** @throws models/bad-adapter-config, models/unsupported-adapter, and what reading the weights throws. */
export async function describePeft(folder: string): Promise<PeftDescription> {
  const { config } = await readConfig(folder);
  const head = headOfTask[config.task_type ?? ""];
  // of the matrices of a head the one with a row for each class is the lowest
  const whole = [...(await readTensors(folder))].filter(
    ([key, { dims }]) => !ofAdapter.test(key) && dims.length === 2,
  );
  const ofHead = whole.filter(([key]) => /(^|\.)(?:classifier|score)\./.test(key));
  const rows = (ofHead.length > 0 ? ofHead : whole).map(([, { dims }]) => dims[0]!);
  const { base_model_name_or_path: name, revision } = config;
  return {
    base: name ? (revision ? `${name}@${revision}` : name) : undefined,
    head,
    classes: head?.endsWith("classification") && rows.length > 0 ? Math.min(...rows) : undefined,
  };
}

/**
 * The base of an adapter as a network with the head that the adapter is for, which the base's own checkpoint may lack: a
 * classifier has as many classes as the adapter's file. Undefined where the config names no task.
 *
 * `base`: folder of the base model's checkpoint.
 * @throws models/bad-adapter-config, and what openNetwork throws.
 */
export async function openPeftBase(folder: string, base: string): Promise<Model | undefined> {
  const { head, classes } = await describePeft(folder);
  if (!head) return undefined;
  const network = await openNetwork(base, { seed: 0, head });
  if (classes === undefined || classes === network.labels?.length) return network;
  const labels = Array.from({ length: classes }, (_, i) => `LABEL_${i}`);
  return openNetwork(base, { seed: 0, head, labels });
}

/**
 * Puts an adapter that PEFT or Diapason wrote on its base model.
 *
 * `dropout`: of what the adapter reads, to train it on; 0 ≤ p < 1.
 * @throws models/bad-adapter-config, models/unsupported-adapter, models/adapter-mismatch when the model lacks what the
 * adapter is for or has it in other sizes, and what reading the weights throws.
 */
export async function loadPeftAdapter(
  folder: string,
  model: Model,
  { dropout = 0 }: { readonly dropout?: number } = {},
): Promise<AdaptedModel> {
  const { config, method } = await readConfig(folder);
  const tensors = asCheckpoint(model, await readTensors(folder));
  const told = { config, method, dropout };
  return withPeftTensors(apartWhereNeeded(model, tensors) ?? model, told, tensors);
}

async function readConfig(folder: string): Promise<ReturnType<typeof readPeftConfig>> {
  const path = join(folder, configFile);
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new DiapasonError(
      "models/bad-adapter-config",
      `${path} cannot be read.`,
      `Give a folder with ${configFile} and ${weightFiles[0]}.`,
      cause,
    );
  });
  return readPeftConfig(text, path);
}

async function readTensors(folder: string): Promise<ReadonlyMap<string, Tensor>> {
  const file = weightFiles.find((name) => existsSync(join(folder, name)));
  if (file) return named((await openCheckpoint(join(folder, file))).tensors);
  throw new DiapasonError(
    "models/bad-adapter-config",
    `${folder} has an ${configFile}, and neither ${weightFiles.join(" nor ")}.`,
    "Download or save the adapter again, with its weights.",
  );
}

/**
 * Tensors under our names: without the prefix and the names of PEFT's wrappers, and with today's spelling of DoRA's
 * vectors. What a module tuned as a whole was before is left out.
 */
const named = (tensors: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Tensor> =>
  new Map(
    [...tensors].flatMap(([key, tensor]) => {
      const isTwice = inWrapper.some(
        (wrapper) => wrapper.test(key) && tensors.has(key.replace(wrapper, ".")),
      );
      if (key.includes(".original_module.") || isTwice) return [];
      const name = key.startsWith(peftPrefix) ? key.slice(peftPrefix.length) : key;
      return [
        [
          name
            .replace(/\.(base_layer|modules_to_save)\./, ".")
            .replace(/\.lora_magnitude_vector\.weight$/, ".lora_magnitude_vector"),
          tensor,
        ] as const,
      ];
    }),
  );

/** The copy in the wrapper of a module tuned as a whole, with or without the adapter's name: PEFT saves biases there as well. */
const inWrapper = [/\.modules_to_save\./, /\.modules_to_save\.[^.]+\./];

/** Tensors under the names that the checkpoint has for modules, where transformers has newer ones today. */
function asCheckpoint(model: Model, tensors: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Tensor> {
  const told = toldAs(model);
  const names = [
    ...model.parameters.map(({ name }) => name),
    ...findLayers(model.graph).map(({ module }) => module),
  ];
  const older = new Map(names.map((name) => [told(name), name]));
  return new Map(
    [...tensors].map(([key, tensor]) => {
      const [, module, part] = ofAdapter.exec(key) ?? [];
      if (module === undefined) return [older.get(key) ?? key, tensor];
      return [`${older.get(module) ?? module}.${part}`, tensor];
    }),
  );
}

/**
 * The model with its table of words apart from the one that makes the logits, where they were one and the adapter is for one of
 * them alone: PEFT leaves the other as it was.
 * @throws models/adapter-mismatch for a model whose tables stay one
 */
function apartWhereNeeded(model: Model, tensors: ReadonlyMap<string, Tensor>): Model | undefined {
  const table = tiedTable(model);
  if (!table) return undefined;
  const apart = untied(model);
  const modules = new Set([...tensors.keys()].map((key) => ofAdapter.exec(key)?.[1] ?? moduleOf(key)));
  if (apart && modules.has(moduleOf(apart.own))) return apart.model;
  if (!modules.has(table.module)) return undefined;
  if (apart) return apart.model;
  throw mismatch(
    `it tunes "${table.weight.name}", which makes the logits too, and PEFT leaves those as they were`,
  );
}

const ofAdapter =
  /^(.*)\.(lora_A\.weight|lora_B\.weight|lora_embedding_A|lora_embedding_B|lora_magnitude_vector|ia3_l)$/;

function withPeftTensors(
  model: Model,
  {
    config,
    method,
    dropout,
  }: { readonly config: PeftConfig; readonly method: AdapterMethodName; readonly dropout: number },
  tensors: ReadonlyMap<string, Tensor>,
): AdaptedModel {
  const keys = [...tensors.keys()];
  const modules = new Set(keys.flatMap((key) => ofAdapter.exec(key)?.[1] ?? []));
  const others = keys.filter((key) => !ofAdapter.test(key) && !isOwnWeight(model, key, modules, tensors));
  const unknown = others.find((key) => !model.parameters.some(({ name }) => name === key));
  if (unknown) throw mismatch(`it holds "${unknown}", and the model has no parameter of that name`);
  const isBias = (key: string) => /(^|\.)bias$/.test(key);
  const saved = others.filter((key) => config.bias === "none" || !isBias(key)).map((key) => moduleOf(key));
  checkRanks(config, tensors);
  const spec: AdapterSpec = {
    method,
    rank: config.r,
    alpha: config.lora_alpha,
    isRankStabilized: config.use_rslora ?? false,
    rankPattern: config.rank_pattern ?? {},
    alphaPattern: config.alpha_pattern ?? {},
    // what the file holds is what was adapted, whatever the pattern was
    targetModules: [...modules].map(escaped).join("|"),
    feedforwardModules: config.feedforward_modules ?? [],
    modulesToSave: [...new Set(saved)],
    bias: config.bias,
    dropout,
  };
  const adapted = attachAdapter(model, spec);
  const reached = new Set(adapted.adapter.layers.map(({ layer }) => layer.module));
  const missing = [...modules].find((module) => !reached.has(module));
  if (missing) throw mismatch(`it adapts "${missing}", and the model has no such layer`);
  for (const { tensors: own } of adapted.adapter.layers)
    for (const { parameter, key, dims, isTransposed } of own) {
      const values = valuesOf(tensors, key, dims);
      const held = adapted.graph.get(parameter);
      const turned = isTransposed ? transposed(values, dims[0]!, dims[1]!) : values;
      adapted.graph.setConstant(held, float32(held.constant!.dims, turned));
    }
  for (const key of others) {
    const held = adapted.graph.get(key);
    const { dims } = held.constant!;
    const isTurned = adapted.transposed.has(key);
    const values = valuesOf(tensors, key, isTurned ? dims.toReversed() : dims);
    const tensor = float32(isTurned ? dims.toReversed() : dims, values);
    adapted.graph.setConstant(held, isTurned ? transpose(tensor) : tensor);
  }
  return adapted;
}

/**
 * Ranks are sizes of what the file holds: one beyond all of those would have memory asked for before it is seen not to fit.
 * @throws models/adapter-mismatch
 */
function checkRanks(config: PeftConfig, tensors: ReadonlyMap<string, Tensor>): void {
  const pairs = [...tensors].filter(([key]) => /\.lora_(?:A|B|embedding_A|embedding_B)\b/.test(key));
  if (pairs.length === 0) return;
  const longest = Math.max(...pairs.flatMap(([, { dims }]) => dims));
  const rank = Math.max(config.r, ...Object.values(config.rank_pattern ?? {}));
  if (rank > longest)
    throw mismatch(
      `its config names the rank ${rank}, and none of its matrices has more than ${longest} rows`,
    );
}

/** Whether a tensor is the base's weight of an adapted layer, which PEFT writes beside the adapter of an embedding. */
function isOwnWeight(
  model: Model,
  key: string,
  modules: ReadonlySet<string>,
  tensors: ReadonlyMap<string, Tensor>,
): boolean {
  const module = moduleOf(key);
  const own = model.graph.find(key)?.constant;
  if (!own || !modules.has(module) || key !== `${module}.weight`) return false;
  const given = asFloat32(tensors.get(key)!);
  const turned = model.transposed.has(key) ? transpose(own) : own;
  if (sameTensor(given, turned) === "equal") return true;
  throw mismatch(`it brings a weight "${key}" of its own, which is not the model's`);
}

const escaped = (module: string): string => module.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");

/** A tensor of the file as float32. @throws models/adapter-mismatch */
function valuesOf(tensors: ReadonlyMap<string, Tensor>, key: string, dims: readonly number[]): Float32Array {
  const tensor = tensors.get(key);
  if (!tensor) throw mismatch(`it lacks "${key}"`);
  if (tensor.dims.join() !== dims.join())
    throw mismatch(`"${key}" is [${tensor.dims.join(", ")}], for the model [${dims.join(", ")}] is wanted`);
  const wide = asFloat32(tensor);
  if (wide.dtype !== "float32")
    throw mismatch(`"${key}" is of the type ${tensor.dtype}; a float of 16, 32 or 64 bits is wanted`);
  return floatsOf(wide);
}

const mismatch = (what: string): DiapasonError =>
  new DiapasonError(
    "models/adapter-mismatch",
    `The adapter does not fit the model: ${what}.`,
    "Load it on the model that it was made for: base_model_name_or_path of its adapter_config.json.",
  );
