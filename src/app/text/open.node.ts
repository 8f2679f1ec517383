import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../base/atomic-file.node.ts";
import { DiapasonError } from "../../base/errors.ts";
import { jsonText, parseJson } from "../../base/json-numbers.ts";
import { openTokenizer, readTokenizerFiles } from "../../data/text/open-tokenizer.node.ts";
import type { TextTokenizer, ThreadedTokenizer } from "../../data/text/tokenizer.ts";
import { withPrefixSpace } from "../../data/text/word-spaces.ts";
import { replaceHead } from "../../models/head.ts";
import { loadModel } from "../../models/load.node.ts";
import type { Model } from "../../models/model.ts";
import { readConfig } from "../../models/open-network.node.ts";
import { placesOf } from "../../models/places.ts";
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
  const places = placesOf(await readConfig(folder));
  const said = Math.min(...[tokenizer.maxLength, places].filter((limit) => limit !== undefined));
  const most = Number.isFinite(said) ? Math.min(said, 1e6) : usualTokens;
  return { tokenizer, maxTokens: Math.min(asked ?? Math.min(most, usualTokens), most) };
}

interface OpenTextOptions {
  readonly seed: number;
  /** What training leaves out, as `BuildOptions.dropout`. */
  readonly dropout?: number | "config" | undefined;
  /** An ONNX file that computes in place of the model's own network. */
  readonly file?: string | undefined;
}

/**
 * Opens a model with the head that a job needs.
 *
 * A checkpoint is built with that head; of an ONNX file the head is replaced, or added to its pooled features.
 * @throws models/no-such-head, models/no-features, models/no-dropout, and what loading throws
 */
export async function openTextModel(
  path: string,
  {
    head,
    labels,
    network,
    beside,
  }: Pick<TextJob<EncodedText, unknown>, "head" | "labels" | "network" | "beside">,
  runtime: Runtime,
  { seed, dropout, file }: OpenTextOptions,
): Promise<Model> {
  if (file !== undefined) return openGraphFile(path, file, labels, runtime);
  const model = await loadModel(path, {
    images: false,
    learnShapes: (graph) => learnShapes(graph, runtime),
    network: { head, seed, dropout, ...network, ...(labels && { labels }) },
  });
  if (model.network) return beside?.join(model) ?? model;
  if (typeof dropout === "number" && dropout > 0)
    throw new DiapasonError(
      "models/no-dropout",
      `Dropout of ${dropout} is asked for, and "${path}" is a graph without any.`,
      "Leave dropout out, or tune the checkpoint that the graph was exported from.",
    );
  return labels ? replaceHead(model, { labels, seed }) : model;
}

/** A model whose graph is a file, with the output that text tasks read. */
async function openGraphFile(
  path: string,
  file: string,
  labels: readonly string[] | undefined,
  runtime: Runtime,
): Promise<Model> {
  const model = await loadModel(path, { file, learnShapes: (graph) => learnShapes(graph, runtime) });
  const { graph } = model;
  const output = graph.find("logits") ?? graph.find("last_hidden_state") ?? model.output;
  // What a file's notes say is of what could move in it, and nothing does.
  return { ...model, output, labels, notes: [] };
}

/** Files that belong to a tokenizer, whatever its kind. */
const tokenizerFiles =
  /^(?:tokenizer.*\.(?:json|model)|special_tokens_map\.json|added_tokens\.json|vocab\..*|merges\.txt|.*\.spm|spm\.model|spiece\.model|sentencepiece.*\.model|chat_template\.jinja|generation_config\.json)$/;

/**
 * Copies the files of a tokenizer into a model's folder.
 *
 * transformers.js begins a text for a language model with its token for that only where tokenizer_config.json says
 * `add_bos_token`, whatever tokenizer.json does; so it is made to say it.
 */
export async function copyTokenizer(from: string, to: string, tokenizer: TextTokenizer): Promise<void> {
  await mkdir(to, { recursive: true });
  // Of a model of the Hub's cache these are links, which would lead nowhere on another machine.
  for (const name of await readdir(from))
    if (tokenizerFiles.test(name)) await cp(join(from, name), join(to, name), { dereference: true });
  // transformers.js reads tokenizer.json alone
  const files = await readTokenizerFiles(from);
  if (files.isDerived) {
    await change(join(to, "tokenizer.json"), () => files.tokenizer);
    // Which of its tokens is which, the older files may have said.
    const roles = Object.entries(files.config).filter(([key, token]) => key.endsWith("_token") && token);
    const tokens = Object.fromEntries(roles.filter(([, token]) => typeof token !== "boolean"));
    await change(join(to, "tokenizer_config.json"), (config) => ({ ...tokens, ...config }));
  }
  const { bos } = tokenizer.special;
  if (!bos || tokenizer.encode("").ids[0] !== bos.id) return;
  await change(join(to, "tokenizer_config.json"), (config) => ({ add_bos_token: true, ...config }));
}

/**
 * Makes a copied tokenizer begin every text and every word with a space, where it has such an option: words were encoded
 * so, and transformers and transformers.js are to do the same. Source: transformers, examples, `run_ner.py`.
 */
export async function keepPrefixSpace(folder: string): Promise<void> {
  const { tokenizer } = await readTokenizerFiles(folder);
  const spaced = withPrefixSpace(tokenizer["pre_tokenizer"]);
  if (!spaced) return;
  const path = join(folder, "tokenizer.json");
  if (existsSync(path)) await change(path, (files) => ({ ...files, pre_tokenizer: spaced }));
  await change(join(folder, "tokenizer_config.json"), (config) => ({ ...config, add_prefix_space: true }));
}

/**
 * The token that fills short texts, where config.json names none: transformers classifies several texts at once only where
 * it does. Not where texts end in that token: transformers reads the last one that is another.
 */
export function padConfig(
  { pad_token_id: said }: Readonly<Record<string, unknown>>,
  tokenizer: TextTokenizer,
): { readonly pad_token_id?: number } {
  if (typeof said === "number" || !fills(tokenizer)) return {};
  return { pad_token_id: tokenizer.padId };
}

/** Names that token in a copied tokenizer that has no pad token, as `padId` says. */
export async function keepPadToken(folder: string, tokenizer: TextTokenizer): Promise<void> {
  if (tokenizer.special.pad || !fills(tokenizer)) return;
  const pad = { pad_token: tokenizer.tokenOf(tokenizer.padId) };
  await change(join(folder, "tokenizer_config.json"), (config) => ({ ...config, ...pad }));
}

const fills = (tokenizer: TextTokenizer): boolean => {
  const pad = tokenizer.special.pad ?? tokenizer.special.eos;
  return pad !== undefined && tokenizer.encode("a").ids.at(-1) !== pad.id;
};

async function change(path: string, how: (content: object) => object): Promise<void> {
  const content = parseJson(await readFile(path, "utf8").catch(() => "{}"));
  await writeFileAtomic(path, `${jsonText(how(content as object))}\n`);
}
