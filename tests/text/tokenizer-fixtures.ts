import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { buildTokenizer } from "../../src/data/text/build-tokenizer.ts";
import type { TextTokenizer, TokenizerFiles } from "../../src/data/text/tokenizer.ts";

const fixtures = resolve(import.meta.dirname, "../fixtures");
const read = (path: string): string => readFileSync(path, "utf8");

/** The character map that SentencePiece normalises with; files of the fixtures name it to stay small. */
const charsmap = gunzipSync(readFileSync(join(fixtures, "tokenizers", "nmt-nfkc.charsmap.gz"))).toString(
  "base64",
);

/** Files of a small tokenizer made by tools/fixtures/tokenizers.py, or of a folder. */
export function tokenizerFiles(kind: string, folder = join(fixtures, "tokenizers", kind)): TokenizerFiles {
  const parse = (name: string) =>
    existsSync(join(folder, name))
      ? (JSON.parse(read(join(folder, name)).replace("@nmt_nfkc", () => charsmap)) as Record<string, unknown>)
      : {};
  return {
    tokenizer: parse("tokenizer.json"),
    config: { ...parse("special_tokens_map.json"), ...parse("tokenizer_config.json") },
  };
}

/** A small tokenizer of a kind: "bert-uncased", "gpt2", "llama2", "qwen", "xlm-r", … */
export const fixtureTokenizer = (kind: string, chatTemplate?: string): TextTokenizer =>
  buildTokenizer({ ...tokenizerFiles(kind), ...(chatTemplate !== undefined && { chatTemplate }) }, kind);
