import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../base/atomic-file.node.ts";
import { DiapasonError } from "../../base/errors.ts";
import { openCheckpoint } from "../../formats/checkpoint.node.ts";
import { saveSafetensors } from "../../formats/safetensors.node.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { HeadKind } from "../architecture.ts";
import type { Model } from "../model.ts";
import { openNetwork } from "../open-network.node.ts";
import type { AdaptedModel, ArraysByName } from "./adapted.ts";
import { readPeftConfig } from "./peft-config.ts";
import { peftFiles, peftPrefix } from "./peft-tensors.ts";
import { ofAdapter, withPeftTensors } from "./with-peft-tensors.ts";

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
const headOfTask: ReadonlyMap<string, HeadKind> = new Map([
  ["SEQ_CLS", "sequence-classification"],
  ["TOKEN_CLS", "token-classification"],
  ["CAUSAL_LM", "causal-lm"],
  ["FEATURE_EXTRACTION", "features"],
]);

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
  const head = headOfTask.get(config.task_type ?? "");
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
  return withPeftTensors(model, { config, method, dropout }, await readTensors(folder));
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
