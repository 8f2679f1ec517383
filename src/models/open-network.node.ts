import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { loadSafetensors } from "../formats/safetensors.node.ts";
import { architectureOf } from "./architectures/table.ts";
import { type BuildOptions, buildNetwork } from "./build-network.ts";
import { type ModelConfig, parseConfig } from "./config.ts";
import type { Model } from "./model.ts";

/** What may be asked of a network that is built from a folder. */
export type OpenNetworkOptions = Omit<BuildOptions, "config" | "tensors" | "source">;

/**
 * Whether a folder holds a checkpoint that an architecture of ours builds: a config.json of a known type, and weights.
 *
 * A type that a tuned ONNX model only borrowed does not count.
 */
export async function isNetworkFolder(folder: string): Promise<boolean> {
  if (!existsSync(join(folder, "model.safetensors")) || !existsSync(join(folder, "config.json")))
    return false;
  const config = await configIn(folder);
  const own = config["diapason"];
  const isBorrowed = typeof own === "object" && own !== null && "model_type" in own;
  return (
    !isBorrowed &&
    typeof config["model_type"] === "string" &&
    architectureOf(config["model_type"]) !== undefined
  );
}

/** The network of a Hugging Face folder. @throws what buildNetwork and reading the files throw. */
export async function openNetwork(folder: string, options: OpenNetworkOptions): Promise<Model> {
  const { tensors } = await loadSafetensors(join(folder, "model.safetensors"));
  return buildNetwork({ ...options, config: await configIn(folder), tensors, source: folder });
}

const configIn = async (folder: string): Promise<ModelConfig> =>
  parseConfig(await readFile(join(folder, "config.json"), "utf8"), join(folder, "config.json"));
