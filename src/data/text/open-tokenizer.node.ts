import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DiapasonError } from "../../base/errors.ts";
import { buildTokenizer } from "./build-tokenizer.ts";
import type { ThreadedTokenizer, TokenizerFiles } from "./tokenizer.ts";
import { threadTokenizer } from "./tokenizer-threads.node.ts";

/**
 * Opens the tokenizer of a model folder: tokenizer.json with tokenizer_config.json and special_tokens_map.json.
 *
 * @throws data/no-tokenizer where the folder has none, data/bad-tokenizer where it cannot be read
 */
export async function openTokenizer(folder: string): Promise<ThreadedTokenizer> {
  const files = await readTokenizerFiles(folder);
  return threadTokenizer(buildTokenizer(files, join(folder, "tokenizer.json")), files);
}

/** Reads the files of a tokenizer. @throws data/no-tokenizer, data/bad-tokenizer */
export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles> {
  const tokenizer = await readJson(join(folder, "tokenizer.json"));
  if (!tokenizer)
    throw new DiapasonError(
      "data/no-tokenizer",
      `"${folder}" has no tokenizer.json.`,
      "Put the model's tokenizer.json and tokenizer_config.json into the folder.",
    );
  const config = (await readJson(join(folder, "tokenizer_config.json"))) ?? {};
  const map = (await readJson(join(folder, "special_tokens_map.json"))) ?? {};
  const template = join(folder, "chat_template.jinja");
  return {
    tokenizer,
    config: { ...map, ...withoutNull(config) },
    ...(existsSync(template) && { chatTemplate: await readFile(template, "utf8") }),
  };
}

const withoutNull = (config: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(config).filter(([, value]) => value !== null));

async function readJson(path: string): Promise<Record<string, unknown> | undefined> {
  if (!existsSync(path)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, "utf8"));
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
