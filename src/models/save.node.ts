import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { asWriteError, writeFileAtomic } from "../base/atomic-file.node.ts";
import { DiapasonError } from "../base/errors.ts";
import { jsonText } from "../base/json-numbers.ts";
import { saveCheckpoint } from "../formats/checkpoint.node.ts";
import { saveOnnx } from "../formats/onnx/file.node.ts";
import { plainProducts } from "../graph/passes/plain-products.ts";
import { standardNorms } from "../graph/passes/standard-norms.ts";
import { asStored, toStoredTypes } from "../graph/passes/stored-types.ts";
import type { Tensor } from "../graph/tensor.ts";
import { exportedAs } from "./architecture.ts";
import { transpose } from "./checkpoint.ts";
import { withGraphFile, withLabels } from "./config.ts";
import type { BuiltNetwork, Model } from "./model.ts";
import { rebuilt } from "./rebuild.ts";

export interface SaveOptions {
  /** Replace what is at the path. Default false. */
  readonly force?: boolean;
  /** Keep the names of the graph's inputs and outputs, which whoever runs it already feeds. Default false. */
  readonly keepNames?: boolean;
  /** Writes further files (preprocessor, model card) into the folder before it takes its place. */
  readonly more?: (folder: string) => Promise<void>;
}

/**
 * Writes a model as a folder in Hugging Face's layout: `onnx/model.onnx`, `config.json`, `model.safetensors`.
 *
 * The folder is written under another name beside its place and moved there when it is whole, so that at `path` there
 * is never half a model. The graph's input and output get the names transformers.js expects where they are free, unless
 * `keepNames` is set.
 * @throws models/output-exists when the path holds something and `force` is not set.
 */
export async function saveModel(model: Model, path: string, options: SaveOptions = {}): Promise<void> {
  const target = resolve(path);
  await checkFree(target, options.force ?? false);
  const draft = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    await mkdir(join(draft, "onnx"), { recursive: true }).catch((error) => {
      throw asWriteError(error, target);
    });
    const graph = exportGraph(model, options);
    standardNorms(graph);
    await saveOnnx(graph, join(draft, "onnx", "model.onnx"));
    await saveCheckpoint(draft, weightsOf(model));
    const config = model.labels ? withLabels(model.config, model.labels) : model.config;
    const isApart = existsSync(join(draft, "onnx", "model.onnx_data"));
    // A graph of no known type is nothing that transformers.js opens.
    const told = config["model_type"] === undefined ? config : withGraphFile(config, { isApart });
    await writeFileAtomic(join(draft, "config.json"), `${jsonText(told)}\n`);
    await options.more?.(draft);
    await putInPlace(draft, target);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
}

/** @throws models/output-exists when there is something at the path that must not be replaced. */
export async function checkFree(path: string, force: boolean): Promise<void> {
  if (force) return;
  const entries = await readdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    if (error.code === "ENOTDIR") return undefined;
    throw asWriteError(error, path);
  });
  const found =
    entries &&
    `exists and is not empty (${entries.slice(0, 3).join(", ")}${entries.length > 3 ? ", …" : ""})`;
  if (!entries || entries.length > 0)
    throw new DiapasonError(
      "models/output-exists",
      `${path} ${found ?? "is a file"}.`,
      "Choose another folder, or give --force to replace it.",
    );
}

/** The graph in its file's types, under the names of the Hub's image classifiers: `pixel_values` in, `logits` out. */
function exportGraph(model: Model, { keepNames = false }: SaveOptions) {
  if (model.network) return networkGraph(model, model.network);
  const graph = model.graph.clone();
  toStoredTypes(graph);
  if (keepNames) return graph;
  if (!graph.find("pixel_values")) graph.rename(graph.get(model.input.name), "pixel_values");
  if (model.labels && !graph.find("logits")) graph.rename(graph.get(model.output.name), "logits");
  return graph;
}

/** A model's graph as others run it, as a new graph of float32. */
export const inferenceGraph = (model: Model) =>
  model.network ? networkGraph(model, model.network) : model.graph.clone();

/** The graph of a network as others run it: in float32, whatever its checkpoint is stored in, and in ONNX's own products. */
function networkGraph(model: Model, { head }: BuiltNetwork) {
  const options = exportedAs[head];
  const graph = (options ? rebuilt(model, { seed: 0, ...options }) : model).graph.clone();
  for (const value of graph.initializers) value.storedType = undefined;
  plainProducts(graph);
  return graph;
}

/** Parameters, running statistics and what is kept unread, named and laid out as the checkpoint has them. */
export function weightsOf(model: Model): Map<string, Tensor> {
  const names = model.blocks.flatMap((block) => [...block.parameters, ...block.buffers]);
  const read = names.map((name) => {
    const { constant, storedType } = model.graph.get(name);
    const tensor = asStored(constant!, storedType);
    return [name, model.transposed.has(name) ? transpose(tensor) : tensor] as const;
  });
  return new Map([...read, ...(model.network?.kept ?? [])]);
}

/** Moves the finished folder to its place; what was there goes only after the new one stands. */
async function putInPlace(draft: string, target: string): Promise<void> {
  const old = `${draft}.old`;
  const had = await rename(target, old).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return false;
      throw asWriteError(error, target);
    },
  );
  try {
    await rename(draft, target);
  } catch (error) {
    if (had) await rename(old, target);
    throw asWriteError(error, target);
  }
  if (had) await rm(old, { recursive: true, force: true });
}
