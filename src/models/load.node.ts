import { existsSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DiapasonError } from "../base/errors.ts";
import { loadOnnx } from "../formats/onnx/file.node.ts";
import { loadSafetensors } from "../formats/safetensors.node.ts";
import type { Graph } from "../graph/ir.ts";
import { isAdaptedFolder } from "./adapters/adapted-folder.node.ts";
import { mergeAdapter, withAdapted } from "./adapters/merge.ts";
import { loadPeftAdapter } from "./adapters/peft.node.ts";
import { nameAfterCheckpoint } from "./checkpoint.ts";
import { labelsOf, type ModelConfig, parseConfig } from "./config.ts";
import { describeModel } from "./describe.ts";
import { findHead } from "./find-head.ts";
import { stepBeforeSoftmax } from "./head.ts";
import { findImageInput } from "./image-input.ts";
import type { Model } from "./model.ts";
import { isNetworkFolder, type OpenNetworkOptions, openNetwork } from "./open-network.node.ts";
import { collectParameters } from "./parameters.ts";
import { prepareGraph, type ShapeLearner } from "./prepare.ts";

export interface LoadOptions {
  /** Learns the shapes that inference cannot tell by running the graph: `(graph) => learnShapes(graph, runtime)`. */
  readonly learnShapes?: ShapeLearner;
  /** Whether a model that takes no images is refused. Default true. */
  readonly images?: boolean;
  /**
   * Whether the graph is taken as it is: every output and input stays, no head is looked for behind a Softmax, and the
   * model may take anything. Default false.
   */
  readonly whole?: boolean;
  /**
   * An ONNX file that computes in place of the model's own, such as one of its exported forms: in the types that it is
   * written in, whole, and for any input.
   */
  readonly file?: string | undefined;
  /** How a network is built that an architecture of ours builds from a checkpoint. Default: as its config says. */
  readonly network?: Partial<OpenNetworkOptions>;
}

/**
 * Reads a model: a Hugging Face folder of a known `model_type` with its weights, an .onnx file, or a folder with
 * `onnx/model.onnx` or `model.onnx`.
 *
 * Beside an ONNX file in a folder, config.json gives the class names and model.safetensors the weights' names. The graph comes out
 * normalised, with shapes and a symbolic batch, and with one output: logits where the model is a classifier. With
 * `whole` it keeps all of them. An adapter that the folder names itself the base of is merged into the weights.
 * @throws models/not-found, models/bad-config, models/no-image-input, models/no-output, models/no-parameters, and what reading throws.
 */
export async function loadModel(path: string, options: LoadOptions = {}): Promise<Model> {
  const model = await loadBase(path, options);
  if (options.file !== undefined || !(await isAdaptedFolder(path))) return model;
  const adapted = await loadPeftAdapter(path, model);
  return mergeAdapter({ ...adapted, adapter: { ...adapted.adapter, base: withAdapted(adapted) } });
}

/** The model of a path, without the adapter that may lie beside it. */
async function loadBase(path: string, options: LoadOptions): Promise<Model> {
  const { file, learnShapes } = options;
  const { whole = file !== undefined, images = !whole } = options;
  if (file === undefined && (await isNetworkFolder(path)))
    return openNetwork(path, { seed: 0, ...options.network });
  const found = file === undefined ? await findFiles(path) : { ...(await besideModel(path)), onnx: file };
  const notes = [...found.notes];
  const graph = await loadOnnx(found.onnx);
  const config = found.config ? parseConfig(await readFile(found.config, "utf8"), found.config) : {};
  const labels = found.config ? labelsOf(config, found.config) : undefined;
  if (graph.outputs.length === 0)
    throw new DiapasonError(
      "models/no-output",
      `${path} has no outputs: nothing in it is computed for anyone.`,
      "Export the model with the outputs it is used for.",
    );
  if (!whole) notes.push(...chooseOutput(graph));
  notes.push(...(await prepareGraph(graph, learnShapes, { whole, keepsHalves: file !== undefined })));
  const softmax = whole ? undefined : stepBeforeSoftmax(graph);
  if (softmax) notes.push(softmax);
  const inputName = chooseInput(graph, path, images);
  let transposed: ReadonlySet<string> = new Set();
  if (found.checkpoint) {
    const { parameters, buffers } = collectParameters(graph, ...graph.outputs);
    const weights = [...parameters.map((parameter) => parameter.value), ...buffers];
    const match = nameAfterCheckpoint(graph, weights, (await loadSafetensors(found.checkpoint)).tensors);
    transposed = match.transposed;
    notes.push(...match.notes);
  }
  const checked = checkLabels(graph, labels, config);
  if (checked.note) notes.push(checked.note);
  const model = describeModel({
    graph,
    inputName,
    ...(whole && { outputs: graph.outputs.map(({ name }) => name) }),
    labels: checked.labels,
    notes,
    config,
    source: path,
    transposed,
  });
  if (images && model.parameters.length === 0)
    throw new DiapasonError(
      "models/no-parameters",
      `${path} holds no float weight that reaches the output "${model.output.name}".`,
      "Use a float export of the model: whole numbers, which a quantised one has, stay as they are.",
    );
  return model;
}

interface ModelFiles {
  readonly onnx: string;
  readonly config: string | undefined;
  readonly checkpoint: string | undefined;
  readonly notes: readonly string[];
}

/** Where the parts of a model lie. */
async function findFiles(path: string): Promise<ModelFiles> {
  const info = await stat(path).catch((cause: unknown) => {
    throw new DiapasonError(
      "models/not-found",
      `There is no file or folder at ${path}.`,
      "Give the path of an .onnx file, or of a folder that holds onnx/model.onnx.",
      cause,
    );
  });
  if (info.isFile()) return { onnx: path, ...beside(folderOfFile(path)), notes: [] };
  const candidates: string[] = [];
  for (const folder of [join(path, "onnx"), path])
    for (const name of (await readdir(folder).catch(() => [])).sort())
      if (name.endsWith(".onnx")) candidates.push(join(folder, name));
  const chosen =
    candidates.find((file) => basename(file) === "model.onnx") ??
    candidates.find((file) => !/quant|int8|uint8|q4|q8|bnb|fp16/i.test(basename(file))) ??
    candidates[0];
  if (!chosen)
    throw new DiapasonError(
      "models/not-found",
      `The folder ${path} holds no .onnx file, neither itself nor in onnx/.`,
      "Export the model to ONNX first, and put it at onnx/model.onnx.",
    );
  const notes =
    candidates.length > 1 ? [`Of ${candidates.length} ONNX files ${basename(chosen)} is used.`] : [];
  return { onnx: chosen, ...beside(path), notes };
}

/**
 * The ONNX file that a path means: itself, or the one in a model's folder.
 * @throws models/not-found
 */
export const onnxFileOf = async (path: string): Promise<string> => (await findFiles(path)).onnx;

/** The folder of the model that an ONNX file belongs to. */
export function folderOfFile(file: string): string {
  const folder = dirname(file);
  return basename(folder) === "onnx" ? dirname(folder) : folder;
}

/** What says how a model is read, where another file than its own computes. */
async function besideModel(path: string): Promise<Omit<ModelFiles, "onnx">> {
  const folder = (await stat(path)).isFile() ? folderOfFile(path) : path;
  return { config: beside(folder).config, checkpoint: undefined, notes: [] };
}

function beside(folder: string): Pick<ModelFiles, "config" | "checkpoint"> {
  const existing = (name: string) => (existsSync(join(folder, name)) ? join(folder, name) : undefined);
  return { config: existing("config.json"), checkpoint: existing("model.safetensors") };
}

/** Leaves one output: "logits" where there is one, else pooled features or the first of rank 2, else the first. */
function chooseOutput(graph: Graph): string[] {
  const outputs = [...graph.outputs];
  const chosen =
    outputs.find((output) => output.name === "logits") ??
    outputs.find((output) => /pooler_output|image_embeds|embedding/.test(output.name)) ??
    outputs.find((output) => output.shape?.length === 2 && output.dtype?.startsWith("float")) ??
    outputs[0];
  const others = outputs.filter((output) => output !== chosen);
  for (const other of others) graph.removeOutput(other);
  return others.length > 0
    ? [
        `Of ${outputs.length} outputs "${chosen!.name}" is used; left out: ${others.map((o) => o.name).join(", ")}.`,
      ]
    : [];
}

/** The name of the input that takes the data; every other one must be gone. */
function chooseInput(graph: Graph, path: string, images: boolean): string {
  const fed = graph.inputs.filter((input) => !input.constant);
  const image = findImageInput(graph);
  const shown = fed
    .map((input) => `${input.name} ${input.dtype} [${input.shape?.join(", ") ?? "?"}]`)
    .join("; ");
  // what takes nothing is not trained, and is shown all the same
  if (!images) return (image?.value ?? fed[0] ?? graph.outputs[0])!.name;
  if (!image)
    throw new DiapasonError(
      "models/no-image-input",
      `${path} takes ${shown || "no input"}; expected a float32 input [batch, channels, height, width] or [batch, height, width, channels] with 1 or 3 channels.`,
      "Use an image model, or for a graph of another kind the task custom (--task custom), which takes named arrays.",
    );
  if (fed.length > 1)
    throw new DiapasonError(
      "models/extra-inputs",
      `${path} needs more than an image: ${shown}.`,
      "Export the model with the other inputs fixed to constants.",
    );
  return image.value.name;
}

/** The config's labels where they fit the head, or placeholders where the config has none. */
function checkLabels(
  graph: Graph,
  labels: readonly string[] | undefined,
  config: ModelConfig,
): { readonly labels: readonly string[] | undefined; readonly note?: string } {
  const classes = findHead(graph.outputs[0])?.classes;
  // a last layer of whole numbers is no head that could move, and tells its classes all the same
  const told = classes ?? graph.outputs[0]?.shape?.at(-1);
  if (labels?.length === told) return { labels };
  if (!labels || classes === undefined) return { labels: undefined };
  return {
    labels: undefined,
    note: `config.json names ${Object.keys(config["id2label"] as object).length} classes, the head has ${classes}: the names are left out.`,
  };
}
