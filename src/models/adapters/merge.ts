import { bug } from "../../base/errors.ts";
import { float32 } from "../../graph/tensor.ts";
import type { Model } from "../model.ts";
import { withFound } from "../network/build-network.ts";
import { type AdaptedModel, type ArraysByName, currentOf, floatsOf } from "./adapted.ts";
import { adapterMethods } from "./methods.ts";

/**
 * What the base's parameters are with the adapter in them: those of adapted layers, and those tuned beside it.
 *
 * `values`: what training made of the adapted model's parameters; of others the graph's own count.
 */
export function mergedValues(
  model: AdaptedModel,
  values: ArraysByName = new Map(),
): Map<string, Float32Array> {
  const { base, method, layers, saved, statistics, biases } = model.adapter;
  const merged = new Map<string, Float32Array>();
  for (const name of [...saved, ...statistics, ...biases]) merged.set(name, currentOf(model, name, values));
  const ofLayers = adapterMethods[method].layers;
  for (const adapted of layers) {
    const { weight, bias } = adapted.layer;
    const of = (name: string) => floatsOf(base.graph.get(name).constant!);
    const given = { weight: of(weight.name), bias: bias && (merged.get(bias.name) ?? of(bias.name)) };
    const made = (ofLayers ?? bug(`"${method}" adapts no layers`)).merge(adapted, given, (name) =>
      currentOf(model, name, values),
    );
    merged.set(weight.name, made.weight);
    if (made.bias && bias) merged.set(bias.name, made.bias);
  }
  return merged;
}

/** A base of which an adapter's file brought what it tunes as a whole, such as a classifier's head. */
export const withAdapted = ({ adapter }: AdaptedModel): Model =>
  withFound(adapter.base, new Set(adapter.saved));

/** The base model with the adapter in its weights: the same operators, and no more of them. */
export function mergeAdapter(model: AdaptedModel, values: ArraysByName = new Map()): Model {
  const { base } = model.adapter;
  const graph = base.graph.clone();
  for (const [name, merged] of mergedValues(model, values)) {
    const value = graph.get(name);
    graph.setConstant(value, float32(value.constant!.dims, merged));
  }
  return {
    ...base,
    graph,
    input: graph.get(base.input.name),
    output: graph.get(base.output.name),
    parameters: base.parameters.map((parameter) => ({ ...parameter, value: graph.get(parameter.name) })),
  };
}
