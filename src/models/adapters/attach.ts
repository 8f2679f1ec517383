import { DiapasonError } from "../../base/errors.ts";
import type { Block, Model, Parameter } from "../model.ts";
import type { AdaptedLayer, AdaptedModel } from "./adapted.ts";
import { findLayers, type Layer, moduleOf } from "./layers.ts";
import type { AdapterMethod, LayerMethod, MadeParameter } from "./method.ts";
import { adapterMethods } from "./methods.ts";
import { toldAs } from "./module-names.ts";
import { type BesideAdapter, movingBeside } from "./moving-beside.ts";
import type { AdapterSpec } from "./spec.ts";
import { defaultTargets } from "./target-table.ts";
import { allLinear, chooseLayers, fitsLayer, ofPattern } from "./targets.ts";

/**
 * Puts an adapter on a model: a copy whose graph computes with it, and in which only the adapter moves, with what is tuned
 * beside it. The base is left as it is.
 *
 * At the start it computes what the base does (PiSSA up to rounding). First values hang on the seed and a module's path
 * alone.
 * @throws models/bad-adapter
 */
export function attachAdapter(model: Model, spec: AdapterSpec): AdaptedModel {
  const row = adapterMethods[spec.method];
  const { rank = 8, dropout = 0, bias = row.bias, seed = 0, rateRatio = 16 } = spec;
  const alpha = spec.alpha ?? row.alpha(rank);
  const isRankStabilized = spec.isRankStabilized ?? row.isRankStabilized ?? false;
  checkNumbers({ rank, alpha, dropout });
  const graph = model.graph.clone();
  const reached = new Set(model.parameters.map(({ name }) => name));
  const told = toldAs(model);
  const layers = findLayers(graph)
    .filter(({ weight }) => reached.has(weight.name))
    .map((layer) => ({ ...layer, told: told(layer.module) }));
  const beside = movingBeside(model, layers, { ...spec, bias: row.layers ? bias : "all" });
  const chosen = row.layers ? choose(model, layers, spec, row, beside) : [];
  const made: (readonly [Layer, readonly MadeParameter[]])[] = [];
  const adapted = chosen.map((layer): AdaptedLayer => {
    const ownRank = ofPattern(spec.rankPattern, layer, rank);
    const ownAlpha = ofPattern(spec.alphaPattern, layer, alpha);
    const isFeedforward = fitsLayer(feedforwardOf(model, spec), layer);
    const sizes = { rank: ownRank, alpha: ownAlpha, isRankStabilized };
    const how = { graph, layer, seed, dropout, isFeedforward, rateRatio, ...sizes };
    const { made: parameters, ...placed } = row.layers!.place(how);
    made.push([layer, parameters]);
    const tensors = parameters.map(({ value: _, decays: __, rate: ___, ...tensor }) => tensor);
    return { layer, isFeedforward, alpha: ownAlpha, tensors, ...placed };
  });
  const biases =
    bias === "lora_only"
      ? beside.biases.filter((name) => chosen.some((l) => l.bias?.name === name))
      : beside.biases;
  const ofBase = new Set([...beside.saved, ...biases]);
  const own = made.flatMap(([, parameters]) => parameters);
  if (!row.layers && biases.length === 0)
    throw badAdapter(
      `${row.title} tunes what a model adds, and this one adds nothing: it has no bias`,
      "Take another adapter, such as lora",
    );
  const parameters: Parameter[] = [
    ...own.map(parameterOf),
    ...model.parameters
      .filter(({ name }) => ofBase.has(name))
      .map((parameter) => ({
        ...parameter,
        value: graph.get(parameter.name),
        ...(row.vectorsAreFast && !parameter.decays && { rate: rateRatio }),
      })),
  ];
  return {
    ...model,
    graph,
    input: graph.get(model.input.name),
    output: graph.get(model.output.name),
    parameters,
    blocks: blocksOf(model.blocks, made, ofBase),
    adapter: {
      method: spec.method,
      base: model,
      rank,
      alpha,
      isRankStabilized,
      layers: adapted,
      spared: layers.filter((layer) => !chosen.includes(layer)).map(({ module }) => module),
      saved: beside.saved,
      statistics: statisticsOf(model, beside.saved),
      bias,
      biases,
      dropout,
    },
  };
}

function statisticsOf({ blocks }: Model, saved: readonly string[]): readonly string[] {
  const modules = new Set(saved.map((name) => moduleOf(name)));
  return blocks.flatMap(({ buffers }) =>
    buffers.filter((name) => modules.has(name.replace(/[./][^./]*$/, ""))),
  );
}

const parameterOf = ({ parameter, value, dims, decays, rate }: MadeParameter): Parameter => ({
  name: parameter,
  value,
  elements: dims.reduce((n, size) => n * size, 1),
  decays,
  ...(rate !== undefined && { rate }),
});

/** The base's blocks with what moves of each; those of which nothing does are left out. */
function blocksOf(
  blocks: readonly Block[],
  made: readonly (readonly [Layer, readonly MadeParameter[]])[],
  ofBase: ReadonlySet<string>,
): Block[] {
  return blocks
    .map(({ name, parameters, buffers }) => {
      const inside = new Set(parameters);
      const adapters = made
        .filter(([layer]) => inside.has(layer.weight.name))
        .flatMap(([, list]) => list.map(({ parameter }) => parameter));
      return { name, parameters: [...adapters, ...parameters.filter((p) => ofBase.has(p))], buffers };
    })
    .filter(({ parameters }) => parameters.length > 0);
}

function choose(
  model: Model,
  layers: readonly Layer[],
  spec: AdapterSpec,
  row: AdapterMethod,
  { saved, head }: BesideAdapter,
): readonly Layer[] {
  const isSaved = ({ weight }: Layer) => saved.includes(weight.name);
  const isSpare = (layer: Layer) => isSaved(layer) || head.has(layer.weight.name);
  const method = row.layers!;
  const { pattern, isDefault } = patternOf(model, layers, spec, row, isSpare);
  const spare = pattern === allLinear || isDefault ? isSpare : isSaved;
  const chosen = chooseLayers(layers, spec, { pattern, spare });
  for (const layer of chosen) refuse(layer, row, method);
  return chosen;
}

/** What is asked for; else what PEFT targets in such a model; else all linear layers, or convolutions where there are none. */
function patternOf(
  { config }: Model,
  layers: readonly Layer[],
  { targetModules }: AdapterSpec,
  { targets }: AdapterMethod,
  isSpare: (layer: Layer) => boolean,
): { readonly pattern: readonly string[] | string; readonly isDefault: boolean } {
  if (targetModules !== undefined) return { pattern: targetModules, isDefault: false };
  const usual = defaultTargets(config)?.[targets];
  const free = layers.filter((layer) => !isSpare(layer) && !layer.isShared);
  if (usual && free.some((layer) => fitsLayer(usual, layer))) return { pattern: usual, isDefault: true };
  if (free.some(({ kind }) => kind === "linear")) return { pattern: allLinear, isDefault: true };
  const kernels = free.filter(({ kind, groups }) => kind === "conv" && groups === 1);
  return { pattern: kernels.map(({ module }) => module), isDefault: true };
}

const feedforwardOf = ({ config }: Model, { targetModules, feedforwardModules }: AdapterSpec) =>
  feedforwardModules ?? (targetModules === undefined ? (defaultTargets(config)?.feedforward ?? []) : []);

/** @throws models/bad-adapter for a layer that the method cannot be put on, or merged into. */
function refuse(
  { kind, module, groups, isShared, weight }: Layer,
  row: AdapterMethod,
  method: LayerMethod,
): void {
  const found = !method.kinds.includes(kind)
    ? `${row.title} is not made for ${kind} layers, and ${module} is one`
    : groups > 1 && !method.takesGroups
      ? `${module} is a convolution in ${groups} groups, into which ${row.title} cannot be merged`
      : isShared
        ? `The weight "${weight.name}" of ${module} is also read elsewhere, so that an adapter on ${module} alone could not be merged`
        : undefined;
  if (found) throw badAdapter(found, "Leave the module out of the targets, with excludeModules for example");
}

function checkNumbers(numbers: {
  readonly rank: number;
  readonly alpha: number;
  readonly dropout: number;
}): void {
  const { rank, alpha, dropout } = numbers;
  if (!(Number.isSafeInteger(rank) && rank >= 1))
    throw badAdapter(`The rank is ${rank}`, "Give a whole number, 1 or more");
  if (!(alpha > 0 && Number.isFinite(alpha))) throw badAdapter(`Alpha is ${alpha}`, "Give a number above 0");
  if (!(dropout >= 0 && dropout < 1))
    throw badAdapter(`The adapter's dropout is ${dropout}`, "Give a share from 0 up to, but not, 1");
}

const badAdapter = (found: string, fix: string): DiapasonError =>
  new DiapasonError("models/bad-adapter", `${found}.`, `${fix}.`);
