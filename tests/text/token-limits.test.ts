import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openTextTokenizer } from "../../src/app/text/open.node.ts";

const root = mkdtempSync(join(tmpdir(), "diapason-token-limits-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const tokenizer = resolve(import.meta.dirname, "../fixtures/tokenizers/bert-uncased/tokenizer.json");

/** Tokens of a text that are read of a model with these configs, where so many are asked for. */
async function read(config: object, tokenizerConfig: object, asked?: number): Promise<number> {
  cpSync(tokenizer, join(root, "tokenizer.json"));
  writeFileSync(join(root, "config.json"), JSON.stringify(config));
  writeFileSync(join(root, "tokenizer_config.json"), JSON.stringify(tokenizerConfig));
  return (await openTextTokenizer(root, asked)).maxTokens;
}

const endless = { model_max_length: 1e30 };

test("no more tokens are read than the model has places for, whatever its tokenizer says", async () => {
  const small = { model_type: "bert", max_position_embeddings: 40 };
  expect(await read(small, {})).toBe(40);
  expect(await read(small, endless, 512)).toBe(40);
  expect(await read(small, { model_max_length: 16 }, 512)).toBe(16);
  expect(await read({ model_type: "roberta", max_position_embeddings: 130 }, endless)).toBe(128);
});

test("more than the usual number are read where they are asked for and the model has places for them", async () => {
  const large = { model_type: "llama", max_position_embeddings: 4096 };
  expect(await read(large, endless)).toBe(512);
  expect(await read(large, endless, 2048)).toBe(2048);
  expect(await read({}, endless, 2048)).toBe(512);
});
