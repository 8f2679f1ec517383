import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DiapasonError } from "../base/errors.ts";
import { openCheckpoint } from "../formats/checkpoint.node.ts";
import { architectureOf } from "./architectures/table.ts";
import { type ModelConfig, parseConfig } from "./config.ts";
import type { Model } from "./model.ts";
import { type BuildOptions, buildNetwork } from "./network/build-network.ts";

/** What may be asked of a network that is built from a folder. */
export type OpenNetworkOptions = Omit<BuildOptions, "config" | "tensors" | "source">;

/** Whether an architecture of ours builds the type of a config. One that a tuned ONNX model only borrowed does not count. */
export function isBuiltType(config: ModelConfig): boolean {
  const own = config["diapason"];
  const isBorrowed = typeof own === "object" && own !== null && "model_type" in own;
  const type = config["model_type"];
  return !isBorrowed && typeof type === "string" && architectureOf(type) !== undefined;
}

/** Whether a folder holds a checkpoint that an architecture of ours builds: a config.json of a known type, and weights. */
export async function isNetworkFolder(folder: string): Promise<boolean> {
  if (!isBuiltType(await readConfig(folder))) return false;
  // Weights that are there but damaged are told when they are opened.
  return openCheckpoint(folder).then(
    () => true,
    (error: unknown) => !(error instanceof DiapasonError && error.code === "formats/no-checkpoint"),
  );
}

/** The network of a Hugging Face folder. @throws what buildNetwork and reading the files throw. */
export async function openNetwork(folder: string, options: OpenNetworkOptions): Promise<Model> {
  const { tensors } = await openCheckpoint(folder);
  return buildNetwork({ ...options, config: await readConfig(folder), tensors, source: folder });
}

/** The config.json of a folder; {} where there is none. @throws models/bad-config */
export async function readConfig(folder: string): Promise<ModelConfig> {
  const path = join(folder, "config.json");
  return existsSync(path) ? parseConfig(await readFile(path, "utf8"), path) : {};
}
