import type { Model } from "../model.ts";
import { parseArchitectureConfig } from "../network/build-network.ts";
import { findLayers, type Layer } from "./layers.ts";

/** The table of words of a network that makes its logits too. */
export const tiedTable = ({ graph }: Pick<Model, "graph">): Layer | undefined =>
  findLayers(graph).find(({ kind, isShared }) => kind === "embedding" && isShared);

export interface Untied {
  readonly model: Model;
  /** The weight that makes the logits now. */
  readonly own: string;
}

/**
 * A decoder whose table of words also made its logits, with a table of its own for those that holds the same: what PEFT makes
 * of it when one of the two is adapted or tuned as a whole. Undefined for any other model.
 */
export function untied(model: Model): Untied | undefined {
  const { network, config, source } = model;
  const wordTable = network?.architecture.heads[network.head]?.wordTable;
  const graph = model.graph.clone();
  const table = tiedTable({ graph });
  if (!wordTable || !table) return undefined;
  const apart = { ...config, tie_word_embeddings: false };
  const own = wordTable(parseArchitectureConfig(network.architecture, apart, source));
  if (graph.find(own)) return undefined;
  const { weight } = table;
  const made = graph.addInitializer(own, weight.constant!);
  if (weight.storedType) made.storedType = weight.storedType;
  const embeddings = new Set(table.uses.map(({ node }) => node));
  for (const reader of weight.consumers)
    if (!embeddings.has(reader))
      for (const [index, input] of reader.inputs.entries())
        if (input === weight) graph.setNodeInput(reader, index, made);
  const parameters = model.parameters.map((parameter) => ({
    ...parameter,
    value: graph.get(parameter.name),
  }));
  const elements = parameters.find((parameter) => parameter.name === weight.name)?.elements ?? 0;
  const head = model.blocks.find((block) => block.name === "head");
  const whole: Model = {
    ...model,
    graph,
    input: graph.get(model.input.name),
    output: graph.get(model.output.name),
    parameters: [...parameters, { name: own, value: made, elements, decays: true }],
    blocks: [
      ...model.blocks.filter((block) => block !== head),
      { name: "head", parameters: [...(head?.parameters ?? []), own], buffers: head?.buffers ?? [] },
    ],
    config: apart,
  };
  return { model: whole, own };
}
