import { random } from "../../base/random.ts";
import type { Graph } from "../../graph/ir.ts";
import { float32, sizeOf } from "../../graph/tensor.ts";
import { describeModel } from "../../models/describe.ts";
import type { Model } from "../../models/model.ts";

/**
 * Gives every weight of a convolutional network its value before any training, by its name's ending and rank.
 *
 * Kernels: normal with variance 2 / fan-in (He et al. 2015). Matrices [classes, features]: uniform within ±1/√features.
 * Of a normalisation: scale 1, bias 0, running mean 0, running variance 1. Each draw is seeded by (seed, name).
 */
export function initialise(graph: Graph, names: Iterable<string>, seed: number): void {
  for (const name of names) {
    const value = graph.get(name);
    const dims = value.constant!.dims;
    graph.setConstant(value, float32(dims, initialValues(name, dims, seed)));
  }
}

/** The same network as it was before any training; the given model is left as it is. */
export function untrained(model: Model, seed: number): Model {
  const graph = model.graph.clone();
  initialise(
    graph,
    model.blocks.flatMap((block) => [...block.parameters, ...block.buffers]),
    seed,
  );
  return describeModel({ ...model, graph, inputName: model.input.name });
}

function initialValues(name: string, dims: readonly number[], seed: number): Float32Array {
  const values = new Float32Array(sizeOf(dims));
  const fanIn = sizeOf(dims.slice(1));
  const stream = random(seed, "initial", name);
  if (dims.length === 4) return values.map(() => Math.sqrt(2 / fanIn) * stream.normal());
  if (dims.length === 2) return values.map(() => (2 * stream.uniform() - 1) / Math.sqrt(fanIn));
  return values.fill(/(weight|running_var)$/.test(name) ? 1 : 0);
}
