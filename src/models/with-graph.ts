import type { Graph } from "../graph/ir.ts";
import type { Model } from "./model.ts";

/** A model over another graph of the same structure, such as a copy with other values; the given one is left as it is. */
export const withGraph = (model: Model, graph: Graph): Model => ({
  ...model,
  graph,
  input: graph.get(model.input.name),
  output: graph.get(model.output.name),
  parameters: model.parameters.map((parameter) => ({ ...parameter, value: graph.get(parameter.name) })),
});
