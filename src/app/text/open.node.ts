import { cp, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { openTokenizer } from "../../data/text/open-tokenizer.node.ts";
import type { ThreadedTokenizer } from "../../data/text/tokenizer.ts";
import { replaceHead } from "../../models/head.ts";
import { loadModel } from "../../models/load.node.ts";
import type { Model } from "../../models/model.ts";
import { learnShapes } from "../../runtime/probe.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { EncodedText, TextJob } from "./job.ts";

/** Tokens that a model takes where nothing says how many. */
const usualTokens = 512;

/** Opens the tokenizer beside a model. `maxTokens`: how many tokens of a text are read, at most what the model takes. */
export async function openTextTokenizer(
  folder: string,
  asked: number | undefined,
): Promise<{ readonly tokenizer: ThreadedTokenizer; readonly maxTokens: number }> {
  const tokenizer = await openTokenizer(folder);
  const most = Math.min(tokenizer.maxLength ?? usualTokens, 1e6);
  return { tokenizer, maxTokens: Math.min(asked ?? Math.min(most, usualTokens), most) };
}

/**
 * Opens a model with the head that a job needs.
 *
 * A checkpoint is built with that head; of an ONNX file the head is replaced, or added to its pooled features.
 * @throws models/no-such-head, models/no-features, and what loading throws
 */
export async function openTextModel(
  path: string,
  { head, labels, network }: Pick<TextJob<EncodedText, unknown>, "head" | "labels" | "network">,
  runtime: Runtime,
  seed: number,
): Promise<Model> {
  const model = await loadModel(path, {
    images: false,
    learnShapes: (graph) => learnShapes(graph, runtime),
    network: { head, seed, ...network, ...(labels && { labels }) },
  });
  return model.network || !labels ? model : replaceHead(model, { labels, seed });
}

/** Files that belong to a tokenizer, whatever its kind. */
const tokenizerFiles =
  /^(?:tokenizer.*\.(?:json|model)|special_tokens_map\.json|added_tokens\.json|vocab\..*|merges\.txt|.*\.spm|spiece\.model|sentencepiece.*\.model|chat_template\.jinja|generation_config\.json)$/;

/** Copies the files of a tokenizer into a model's folder. */
export async function copyTokenizer(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const name of await readdir(from))
    if (tokenizerFiles.test(name)) await cp(join(from, name), join(to, name));
}
