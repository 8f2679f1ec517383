import { bug } from "../../base/errors.ts";
import type { ImageBatch, ImageDataset, ImageLoader } from "../../data/dataset.ts";
import { dropoutInput } from "../../graph/dropout-input.ts";
import { inferNode } from "../../graph/infer.ts";
import type { Graph } from "../../graph/ir.ts";
import { roundToStored } from "../../graph/passes/stored-types.ts";
import { findHead } from "../../models/find-head.ts";
import type { Model } from "../../models/model.ts";
import { withGraph } from "../../models/with-graph.ts";
import { imageClassification } from "../../tasks/image-classification.ts";
import type { TrainData } from "../../tune/data.ts";
import type { Tunable } from "../../tune/options.ts";
import { withValues } from "../../tune/program.ts";
import type { Values } from "../../tune/run-state.ts";
import type { TuneSettings } from "../options/tune.ts";
import { augmentationOf } from "./augment.ts";

/** The model's graph with the task's loss, and dropout before the head; `targets` names the input for targets. */
export function tunableOf(
  model: Model,
  dropout: number,
): { readonly tunable: Tunable; readonly targets: string } {
  const graph = model.graph.clone();
  if (dropout > 0) dropBeforeHead(graph, dropout);
  const { loss, targets } = imageClassification.attachLoss(graph, graph.get(model.output.name));
  return {
    tunable: {
      graph,
      loss,
      outputs: [model.output.name],
      parameters: model.parameters,
      blocks: model.blocks,
    },
    targets,
  };
}

/** Multiplies the features that the head reads by a mask that the loop draws. */
function dropBeforeHead(graph: Graph, p: number): void {
  const node = findHead(graph.outputs[0])?.node ?? bug("a classifier has no head");
  const features = node.inputs.find((input) => input && !input.constant) ?? bug("a head reads no features");
  const mask = graph.addInput(dropoutInput(p, "head"), "float32", features.shape);
  const dropped = graph.addNode("Mul", [features, mask], { before: node });
  inferNode(dropped);
  graph.setNodeInput(node, node.inputs.indexOf(features), dropped.outputs[0]);
}

/** The training images as the loop wants them: shuffled, augmented, by the names of the graph's inputs. */
export function trainDataOf(
  options: TuneSettings,
  { dataset, loader }: { readonly dataset: ImageDataset; readonly loader: ImageLoader },
  image: string,
  targets: string,
): TrainData {
  const examples = dataset.splits.train;
  const augment = augmentationOf(options.augment, loader.preprocessor);
  const classes = dataset.classes.length;
  const inputsOf = (batch: ImageBatch) =>
    ({
      [image]: { dtype: "float32", dims: batch.dims, data: batch.pixels },
      [targets]: { dtype: "float32", dims: [batch.ids.length, classes], data: batch.targets },
    }) as const;
  return {
    size: examples.length,
    async *batches({ epoch, batchSize, skip }) {
      const batches = loader.batches({
        examples,
        batchSize,
        classes,
        seed: options.seed,
        epoch,
        shuffle: true,
        smoothing: options.labelSmoothing,
        skip,
        ...(augment ? { augment } : {}),
      });
      for await (const batch of batches) yield { ids: batch.ids, inputs: inputsOf(batch) };
    },
  };
}

/** The model with the values that training gave and the names of its classes; the given one is left as it is. */
export function withTuned(model: Model, labels: readonly string[], values: Values): Model {
  return { ...withGraph(model, roundToStored(withValues(model.graph, values))), labels };
}
