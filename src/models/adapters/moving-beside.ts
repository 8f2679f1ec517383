import { DiapasonError } from "../../base/errors.ts";
import type { Model } from "../model.ts";
import { type Layer, moduleOf } from "./layers.ts";
import type { AdapterSpec } from "./spec.ts";

/** What of a base moves beside its adapters, by the names of parameters. */
export interface BesideAdapter {
  /** Tuned as a whole. */
  readonly saved: readonly string[];
  /** The layers that make the output, which a general pattern of targets leaves out. */
  readonly head: ReadonlySet<string>;
  readonly biases: readonly string[];
}

/** Heads whose output is words or features: their weights are as large as an embedding, and need no tuning to fit classes. */
const wholeHeads = new Set(["features", "masked-lm", "causal-lm", "image-text"]);

/** @throws models/bad-adapter when a module to be saved is not there. */
export function movingBeside(
  model: Model,
  layers: readonly Layer[],
  { modulesToSave, bias }: Pick<AdapterSpec, "modulesToSave" | "bias">,
): BesideAdapter {
  const head = headOf(model);
  const saved = modulesToSave
    ? named(model, modulesToSave)
    : model.parameters
        .map(({ name }) => name)
        .filter(
          (name) => model.network?.fresh.has(name) || (head.has(name) && isForClasses(model, layers, head)),
        );
  const isSaved = new Set(saved);
  const biases = bias === "none" ? [] : biasesOf(model, layers).filter((name) => !isSaved.has(name));
  return { saved, head, biases };
}

/** Parameters outside of the body: those that transformers puts beside it, else the block "head". */
export function headOf({ blocks, network }: Model): ReadonlySet<string> {
  const last = blocks.at(-1);
  if (last?.name !== "head") return new Set();
  const inBody = `${network?.architecture.prefix ?? ""}.`;
  return new Set(last.parameters.filter((name) => !network || !name.startsWith(inBody)));
}

/** Whether the head tells classes or gives numbers, and not words. */
function isForClasses(
  { network, config }: Model,
  layers: readonly Layer[],
  head: ReadonlySet<string>,
): boolean {
  if (network) return !wholeHeads.has(network.head);
  return !layers.some(
    ({ weight, isShared, outSize }) =>
      head.has(weight.name) && (isShared || outSize === config["vocab_size"]),
  );
}

/** Parameters in modules of these names, as PEFT matches `modules_to_save`. */
function named({ parameters }: Model, modules: readonly string[]): readonly string[] {
  return modules.flatMap((module) => {
    const found = parameters.filter(({ name, value }) => {
      const path = `.${moduleOf(name, value.consumers[0])}.`;
      return path.includes(`.${module}.`);
    });
    if (found.length === 0)
      throw new DiapasonError(
        "models/bad-adapter",
        `The model has no parameter in a module "${module}" that could be tuned beside the adapter.`,
        "Name a module of the model, such as its classifier.",
      );
    return found.map(({ name }) => name);
  });
}

/** What is added, whatever its name: the biases of layers and the shifts of normalisations. */
function biasesOf({ parameters }: Model, layers: readonly Layer[]): readonly string[] {
  const ofLayers = new Set(layers.map(({ bias }) => bias?.name));
  return parameters
    .filter(({ name, decays, value }) => {
      const isShift = value.consumers.some(
        (node) => /Normalization$/.test(node.op) && node.inputs.indexOf(value) === 2,
      );
      return !decays && (ofLayers.has(name) || isShift || /(^|[._])(bias|beta)$/i.test(name));
    })
    .map(({ name }) => name);
}
