import type { Tensor } from "../../graph/tensor.ts";
import type { Block, Model, Parameter } from "../../models/model.ts";
import { withGraph } from "../../models/with-graph.ts";
import type { WeightsBeside } from "./job.ts";
import type { SentenceModules } from "./sentence-modules.node.ts";

/** The Dense layers of a sentence encoder as parameters of its head, and what they have become. */
export function denseBeside(modules: SentenceModules): WeightsBeside & {
  /** By name; empty before `part`. */
  values(): ReadonlyMap<string, Tensor>;
} {
  const tensors = new Map(
    modules.dense.flatMap(({ weightName, weight, biasName, bias }) => [
      [weightName, weight] as const,
      ...(bias ? [[biasName, bias] as const] : []),
    ]),
  );
  let now: ReadonlyMap<string, Tensor> = new Map();
  return {
    values: () => now,
    join(model) {
      const notes = [...model.notes, ...notesOn(modules)];
      if (tensors.size === 0) return { ...model, notes };
      const graph = model.graph.clone();
      const made = [...tensors].map(
        ([name, tensor]): Parameter => ({
          name,
          value: graph.addInitializer(name, tensor),
          elements: tensor.dims.reduce((product, size) => product * size, 1),
          decays: tensor.dims.length > 1,
        }),
      );
      const last = model.blocks.at(-1);
      const own = last?.name === "head" ? last : { name: "head", parameters: [], buffers: [] };
      const names = made.map(({ name }) => name);
      const head: Block = { ...own, parameters: [...own.parameters, ...names] };
      const whole = withGraph(model, graph);
      return {
        ...whole,
        notes,
        parameters: [...whole.parameters, ...made],
        blocks: [...model.blocks.filter((block) => block !== last || block.name !== "head"), head],
      };
    },
    part(model) {
      if (tensors.size === 0) return model;
      const graph = model.graph.clone();
      now = new Map([...tensors.keys()].map((name) => [name, graph.get(name).constant!]));
      for (const name of tensors.keys()) graph.removeValue(graph.get(name));
      const isOwn = (name: string) => !tensors.has(name);
      const blocks = model.blocks.map((block) => ({ ...block, parameters: block.parameters.filter(isOwn) }));
      const rest: Model = {
        ...model,
        parameters: model.parameters.filter(({ name }) => isOwn(name)),
        blocks: blocks.filter(({ parameters }) => parameters.length > 0),
      };
      return withGraph(rest, graph);
    },
  };
}

/** What of a model's settings changes texts, or might be thought to, and what its ONNX files leave to who reads them. */
const notesOn = (modules: SentenceModules): readonly string[] => [
  ...notesOnPrompts(modules),
  ...notesOnDense(modules),
];

function notesOnDense({ poolings, dense, folders, isUnit }: SentenceModules): readonly string[] {
  if (dense.length === 0) return [];
  const paths = [...folders].flatMap(([path, layer]) => (layer ? [path] : []));
  const then = [`pool them (${poolings.join(", ")})`, `apply ${paths.join(" and ")} of the folder`];
  return [
    `ONNX files of the model end in the vectors of tokens: ${[...then, ...(isUnit ? ["bring the result to length 1"] : [])].join(", then ")}. sentence-transformers does so by itself, also with its backend "onnx"; transformers.js's pipeline pools, and leaves out the Dense layers.`,
  ];
}

const notesOnPrompts = ({ prompt, prompts }: SentenceModules): readonly string[] =>
  prompt !== ""
    ? [`"${prompt}" is put before every text, as the model's config_sentence_transformers.json says.`]
    : prompts.length > 0
      ? [
          `The model has prompts (${prompts.join(", ")}) that sentence-transformers puts before a text where it is asked to: write them into the texts that need one.`,
        ]
      : [];
