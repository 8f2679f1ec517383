import { bug } from "../base/errors.ts";
import type { Graph } from "../graph/ir.ts";
import { findBlocks } from "./blocks.ts";
import { findHead, headParameters } from "./find-head.ts";
import type { Model } from "./model.ts";
import { collectParameters } from "./parameters.ts";

/**
 * A model over a normalised graph with shapes: finds its parameters and blocks.
 *
 * `outputs`: names of the outputs that count, each of which may have a head; by default the first.
 */
export function describeModel(parts: {
  readonly graph: Graph;
  readonly inputName: string;
  readonly outputs?: readonly string[] | undefined;
  readonly labels: readonly string[] | undefined;
  readonly notes: readonly string[];
  readonly config: Readonly<Record<string, unknown>>;
  readonly source: string;
  readonly transposed: ReadonlySet<string>;
}): Model {
  const { graph, inputName, outputs: names, transposed, notes, ...rest } = parts;
  const outputs = names ? names.map((name) => graph.get(name)) : graph.outputs.slice(0, 1);
  const output = outputs[0] ?? bug("a model's graph has no output");
  const collected = collectParameters(graph, ...outputs);
  const head = new Set(outputs.flatMap((one) => headParameters(findHead(one))));
  const present = new Set([
    ...collected.parameters.map((p) => p.name),
    ...collected.buffers.map((b) => b.name),
  ]);
  return {
    ...rest,
    graph,
    input: graph.get(inputName),
    output,
    parameters: collected.parameters,
    blocks: findBlocks(graph, collected.parameters, { head, buffers: collected.buffers }),
    transposed: new Set([...transposed].filter((name) => present.has(name))),
    notes: [...new Set([...notes, ...collected.notes])],
  };
}
