import { bug } from "../base/errors.ts";
import type { Model } from "./model.ts";
import { type BuildOptions, buildNetwork } from "./network/build-network.ts";

/**
 * The network of a model built again, with another head, other classes or other inputs, over the weights it has now.
 *
 * The weights are shared, not copied. `model` must be one that an architecture built.
 * @throws models/no-such-head
 */
export function rebuilt(
  model: Model,
  options: Partial<Omit<BuildOptions, "config" | "tensors" | "source">> & { readonly seed: number },
): Model {
  const { network, graph, config, source } = model;
  if (!network) bug("only a network that an architecture built can be built again");
  const weights = [...graph.initializers].filter((value) => value.constant?.dtype === "float32");
  const tensors = new Map([
    ...network.kept,
    ...weights.map((value) => [value.name, value.constant!] as const),
  ]);
  const labels = options.labels ?? model.labels;
  const fresh = buildNetwork({
    head: network.head,
    imageSize: network.imageSize,
    ...options,
    labels,
    config,
    tensors,
    source,
  });
  for (const value of fresh.graph.initializers) {
    const stored = graph.find(value.name)?.storedType;
    if (stored && !fresh.network!.fresh.has(value.name)) value.storedType = stored;
  }
  const begunFresh = new Set([...network.fresh, ...fresh.network!.fresh]);
  return { ...fresh, notes: model.notes, network: { ...fresh.network!, fresh: begunFresh } };
}
