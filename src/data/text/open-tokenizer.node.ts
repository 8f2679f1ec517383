import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { DiapasonError } from "../../base/errors.ts";
import { readSentencePiece } from "../../formats/sentencepiece.ts";
import { pointerIn } from "../../formats/stand-in.ts";
import { buildTokenizer } from "./build-tokenizer.ts";
import { convertOldTokenizer } from "./old-tokenizers.ts";
import { fromSentencePiece, sentencePieceFileOf } from "./sentencepiece-tokenizers.ts";
import type { ThreadedTokenizer, TokenizerFiles } from "./tokenizer.ts";
import { asItsClass } from "./tokenizer-class.ts";
import { threadTokenizer } from "./tokenizer-threads.node.ts";

/**
 * Opens the tokenizer of a model folder: tokenizer.json with tokenizer_config.json and special_tokens_map.json, or the
 * vocab.txt of BERT, the vocab.json and merges.txt of GPT-2 and RoBERTa, or the SentencePiece model of DeBERTa, ALBERT,
 * XLM-RoBERTa and CamemBERT, or of Llama, Mistral, Phi-3 and Gemma.
 *
 * @throws data/no-tokenizer where the folder has none, data/bad-tokenizer where it cannot be read
 */
export async function openTokenizer(folder: string): Promise<ThreadedTokenizer> {
  const files = await readTokenizerFiles(folder);
  return threadTokenizer(buildTokenizer(files, join(folder, "tokenizer.json")), files);
}

/** Reads the files of a tokenizer. @throws data/no-tokenizer, data/bad-tokenizer */
export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles> {
  const config = {
    ...(await readJson(join(folder, "special_tokens_map.json"))),
    ...withoutNull((await readJson(join(folder, "tokenizer_config.json"))) ?? {}),
  };
  const template = await readText(join(folder, "chat_template.jinja"));
  const chatTemplate = template !== undefined && { chatTemplate: template };
  const tokenizer = await readJson(join(folder, "tokenizer.json"));
  const modelType = await modelTypeOf(folder);
  if (tokenizer) {
    const read = asItsClass(tokenizer, config, modelType);
    return { tokenizer: read, config, ...chatTemplate, ...(read !== tokenizer && { isDerived: true }) };
  }
  const old =
    (await readOldFiles(folder, config, modelType)) ??
    (await readSentencePieceFile(folder, config, modelType));
  if (old) return { ...old, ...chatTemplate, isDerived: true };
  const isSentencePiece = sentencePieceFiles.some((file) => existsSync(join(folder, file)));
  throw new DiapasonError(
    "data/no-tokenizer",
    `"${folder}" has no tokenizer.json${isSentencePiece ? ", only a SentencePiece model under a name that is not read for models of its type" : ""}.`,
    isSentencePiece
      ? "Take a revision of the model with tokenizer.json, or a tokenizer.json of a model with the same tokenizer."
      : "Put the model's tokenizer.json and tokenizer_config.json into the folder.",
  );
}

/** What models call their SentencePiece model. */
const sentencePieceFiles = ["tokenizer.model", "spiece.model", "spm.model", "sentencepiece.bpe.model"];

/** `model_type` of the model beside the tokenizer. */
async function modelTypeOf(folder: string): Promise<string | undefined> {
  const type = (await readJson(join(folder, "config.json")))?.["model_type"];
  return typeof type === "string" ? type : undefined;
}

async function readOldFiles(
  folder: string,
  config: Readonly<Record<string, unknown>>,
  modelType: string | undefined,
) {
  const vocabTxt = await readText(join(folder, "vocab.txt"));
  const vocabJson = (await readJson(join(folder, "vocab.json"))) as Record<string, number> | undefined;
  const mergesTxt = await readText(join(folder, "merges.txt"));
  try {
    return convertOldTokenizer({
      config,
      ...(vocabTxt !== undefined && { vocabTxt }),
      ...(vocabJson && { vocabJson }),
      ...(mergesTxt !== undefined && { mergesTxt }),
      ...(modelType !== undefined && { modelType }),
    });
  } catch (cause) {
    throw new DiapasonError(
      "data/bad-tokenizer",
      `"${folder}" has no tokenizer.json, and ${(cause as Error).message}.`,
      "Put the model's tokenizer.json into the folder.",
      cause,
    );
  }
}

async function readSentencePieceFile(
  folder: string,
  config: Readonly<Record<string, unknown>>,
  modelType = "",
) {
  const path = join(folder, sentencePieceFileOf(modelType));
  const bytes = await readBytes(path);
  if (bytes === undefined) return undefined;
  if (/^[A-Za-z0-9+/]+=* \d+\r?\n/.test(bytes.toString("latin1", 0, 1000)))
    throw new DiapasonError(
      "data/bad-tokenizer",
      `"${path}" is a vocabulary of tiktoken, which does not say how texts are cut.`,
      "Take a revision of the model with tokenizer.json.",
    );
  try {
    return fromSentencePiece(readSentencePiece(bytes), modelType, config);
  } catch (cause) {
    throw new DiapasonError(
      "data/bad-tokenizer",
      `"${path}" cannot be read: ${(cause as Error).message}.`,
      "Take the tokenizer files that the model was published with.",
      cause,
    );
  }
}

/** Bytes of a file of a tokenizer; the largest that models have are of some 35 MB. */
const mostBytes = 2 ** 27;

async function readText(path: string): Promise<string | undefined> {
  return (await readBytes(path))?.toString("utf8");
}

/**
 * A file; undefined where there is none.
 * @throws data/bad-tokenizer for one that is larger than any tokenizer's, or a pointer to one
 */
async function readBytes(path: string): Promise<Buffer | undefined> {
  const info = await stat(path).catch(() => undefined);
  if (!info) return undefined;
  if (info.size > mostBytes)
    throw new DiapasonError(
      "data/bad-tokenizer",
      `"${path}" has ${info.size} bytes; a tokenizer's file has at most ${mostBytes}.`,
      "Take the tokenizer files that the model was published with.",
    );
  const bytes = await readFile(path);
  const standIn = pointerIn(bytes);
  if (standIn === undefined) return bytes;
  throw new DiapasonError(
    "data/bad-tokenizer",
    `"${path}" is no tokenizer's file: ${standIn}.`,
    "Fetch the contents, or download the file from the model's page.",
  );
}

const withoutNull = (config: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(config).filter(([, value]) => value !== null));

async function readJson(path: string): Promise<Record<string, unknown> | undefined> {
  const text = await readText(path);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new DiapasonError(
      "data/bad-tokenizer",
      `"${path}" cannot be read: ${(cause as Error).message}.`,
      "Download it again.",
      cause,
    );
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new DiapasonError("data/bad-tokenizer", `"${path}" holds no JSON object.`, "Download it again.");
}
