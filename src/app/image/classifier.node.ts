import { DiapasonError } from "../../base/errors.ts";
import type { ImageExample, ImageLoader, ImagePreprocessor } from "../../data/dataset.ts";
import { preprocessedSize, resolvePreprocessor } from "../../data/preprocessor.node.ts";
import { type Evaluation, evaluateClassifier } from "../../evaluate/evaluate.ts";
import type { HeadKind } from "../../models/architecture.ts";
import { architectureOf } from "../../models/architectures/table.ts";
import { loadModel } from "../../models/load.node.ts";
import type { Model } from "../../models/model.ts";
import { headOf } from "../../models/network/build-network.ts";
import { readConfig } from "../../models/open-network.node.ts";
import { rebuilt } from "../../models/rebuild.ts";
import { learnShapes } from "../../runtime/probe.ts";
import type { Executable, Runtime } from "../../runtime/runtime.ts";

/** A model opened for images: the network, and how a picture becomes its input. */
export interface ImageModel {
  readonly model: Model;
  readonly preprocessor: ImagePreprocessor;
  readonly notes: readonly string[];
}

export interface ImageModelOptions {
  readonly size?: number | undefined;
  readonly mean?: readonly number[] | undefined;
  readonly std?: readonly number[] | undefined;
  /** An ONNX file that computes in place of the model's own network. */
  readonly file?: string | undefined;
}

/** Opens a model with its preprocessor: from its folder, from options, else inferred from its input and said in `notes`. */
export async function openImageModel(
  path: string,
  options: ImageModelOptions,
  runtime: Runtime,
): Promise<ImageModel> {
  const { file } = options;
  const loaded = await loadModel(path, {
    file,
    learnShapes: (graph) => learnShapes(graph, runtime),
    network: { head: await headOfFolder(path), imageSize: await preprocessedSize(path, options) },
  });
  const { preprocessor, notes } = await resolvePreprocessor(path, options, loaded.input.shape ?? []);
  const model = withImageSize(loaded, preprocessor);
  return { model, preprocessor, notes: [...model.notes, ...notes] };
}

/** A classifier like others, unless the folder holds one whose rows began as texts. */
async function headOfFolder(path: string): Promise<HeadKind> {
  const config = await readConfig(path);
  const architecture = architectureOf(String(config["model_type"]));
  const kind = architecture && headOf(architecture, config);
  return kind === "zero-shot-classification" ? kind : "image-classification";
}

/** Networks that take images of any size are built for one, where neither their config nor their files say which. */
function withImageSize(model: Model, { height, width }: ImagePreprocessor): Model {
  const isOpen = model.network && typeof model.input.shape?.at(-1) !== "number";
  return isOpen ? rebuilt(model, { seed: 0, imageSize: [height, width] }) : model;
}

/**
 * Evaluates a model as it stands on some examples, compiling it for inference first. `seconds`: what came after compiling.
 */
export async function evaluateModel(
  model: Model,
  runtime: Runtime,
  options: EvaluateModelOptions,
): Promise<Evaluation & { readonly seconds: number }> {
  const executable = await runtime.compile(model.graph);
  try {
    const started = performance.now();
    const evaluation = await evaluateExecutable(executable, model, options);
    return { ...evaluation, seconds: (performance.now() - started) / 1000 };
  } finally {
    await executable.dispose();
  }
}

export interface EvaluateModelOptions {
  readonly loader: ImageLoader;
  readonly examples: readonly ImageExample[];
  readonly classes: number;
  readonly batchSize: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** The same for a graph that is compiled already. */
export function evaluateExecutable(
  executable: Executable,
  model: Model,
  options: EvaluateModelOptions,
): Promise<Evaluation> {
  return evaluateClassifier({ executable, input: model.input.name, output: model.output.name, ...options });
}

/** The class names of a model. @throws app/no-labels when it has none. */
export function labelsOf(model: Model): readonly string[] {
  if (model.labels) return model.labels;
  throw new DiapasonError(
    "app/no-labels",
    `"${model.source}" does not say which classes its outputs are.`,
    "Use a model with id2label in its config.json, such as one that Diapason tuned.",
  );
}
