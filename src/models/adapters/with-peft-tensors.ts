import { DiapasonError } from "../../base/errors.ts";
import { asFloat32 } from "../../graph/passes/stored-types.ts";
import { float32, type Tensor } from "../../graph/tensor.ts";
import { transpose } from "../checkpoint.ts";
import type { Model } from "../model.ts";
import { sameTensor } from "../same-tensor.ts";
import { type AdaptedModel, floatsOf, transposed } from "./adapted.ts";
import { attachAdapter } from "./attach.ts";
import { findLayers, moduleOf } from "./layers.ts";
import { toldAs } from "./module-names.ts";
import type { PeftConfig } from "./peft-config.ts";
import type { AdapterMethodName, AdapterSpec } from "./spec.ts";
import { tiedTable, untied } from "./untied.ts";

/** Keys of an adapter's own tensors: the module, and what of it. */
export const ofAdapter =
  /^(.*)\.(lora_A\.weight|lora_B\.weight|lora_embedding_A|lora_embedding_B|lora_magnitude_vector|ia3_l)$/;

/** What is known of an adapter beside its tensors. */
interface PeftFacts {
  readonly config: PeftConfig;
  readonly method: AdapterMethodName;
  /** Of what the adapter reads, to train it on. */
  readonly dropout: number;
}

/**
 * Puts the tensors of an adapter's file, under our names, on the model that it is for.
 *
 * @throws models/adapter-mismatch when the model lacks what the adapter is for or has it in other sizes
 */
export function withPeftTensors(
  model: Model,
  facts: PeftFacts,
  given: ReadonlyMap<string, Tensor>,
): AdaptedModel {
  const tensors = asCheckpoint(model, given);
  return putTensors(apartWhereNeeded(model, tensors) ?? model, facts, tensors);
}

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

function putTensors(
  model: Model,
  { config, method, dropout }: PeftFacts,
  tensors: ReadonlyMap<string, Tensor>,
): AdaptedModel {
  const keys = [...tensors.keys()];
  const modules = new Set(keys.flatMap((key) => ofAdapter.exec(key)?.[1] ?? []));
  const others = keys.filter(
    (key) => !ofAdapter.test(key) && !isCount(key) && !isOwnWeight(model, key, modules, tensors),
  );
  const statistics = new Set(model.blocks.flatMap(({ buffers }) => buffers));
  const unknown = others.find(
    (key) => !statistics.has(key) && !model.parameters.some(({ name }) => name === key),
  );
  if (unknown) throw mismatch(`it holds "${unknown}", and the model has no parameter of that name`);
  const isBias = (key: string) => /(^|\.)bias$/.test(key);
  const tuned = others.filter((key) => !statistics.has(key));
  const saved = tuned.filter((key) => config.bias === "none" || !isBias(key)).map((key) => moduleOf(key));
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

/** How many batches the statistics of a BatchNormalization are of, which nothing computes with. */
const isCount = (key: string): boolean => key.endsWith(".num_batches_tracked");

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
