import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { copyTokenizer } from "../../src/app/text/open.node.ts";
import { openTokenizer } from "../../src/data/text/open-tokenizer.node.ts";
import { newFolder } from "../new-folder.ts";

interface Case {
  readonly kind: string;
  readonly modelType: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly texts: readonly (readonly number[])[];
  readonly pairs: readonly (readonly number[])[];
  readonly long: readonly [length: number, hash: string];
  readonly decoded: readonly string[];
  readonly whole: readonly string[];
  readonly special: Readonly<Record<string, string>>;
}

const fixtures = resolve(import.meta.dirname, "../fixtures/sentencepiece-bpe");
const known = JSON.parse(readFileSync(join(fixtures, "expected.json"), "utf8")) as {
  readonly texts: readonly string[];
  readonly long: string;
  readonly pairs: readonly (readonly [string, string])[];
  readonly cases: readonly Case[];
};
const root = newFolder();

/** A folder as a model is published with: its `tokenizer.model`, its configs, and no tokenizer.json. */
function folderOf(name: string, kind: string, modelType: string, config: object): string {
  const path = join(root, name);
  mkdirSync(path);
  cpSync(join(fixtures, `${kind}.model`), join(path, "tokenizer.model"));
  writeFileSync(join(path, "config.json"), JSON.stringify({ model_type: modelType }));
  writeFileSync(join(path, "tokenizer_config.json"), JSON.stringify(config));
  return path;
}

test.each(
  known.cases.map((row, i) => [
    `${row.kind} as ${row.modelType} ${JSON.stringify(row.config).slice(0, 200)}`,
    i,
  ]),
)("%s gives transformers' tokens and texts, and so does the tokenizer.json that is written", async (_, i) => {
  const { kind, modelType, config, texts, pairs, long, decoded, whole, special } = known.cases[i as number]!;
  const from = folderOf(`${i}`, kind, modelType, config);
  const tokenizer = await openTokenizer(from);
  const to = join(root, `${i}-saved`);
  await copyTokenizer(from, to, tokenizer);
  writeFileSync(join(to, "config.json"), JSON.stringify({ model_type: modelType }));
  for (const one of [tokenizer, await openTokenizer(to)]) {
    expect(known.texts.map((text) => [text, [...one.encode(text).ids]])).toEqual(
      texts.map((ids, at) => [known.texts[at], ids]),
    );
    expect(known.pairs.map(([text, pair]) => [...one.encode(text, { pair }).ids])).toEqual(pairs);
    const ids = [...one.encode(known.long.repeat(3000)).ids];
    expect([ids.length, createHash("sha256").update(JSON.stringify(ids)).digest("hex")]).toEqual(long);
    expect(texts.map((ids) => one.decode(ids))).toEqual(decoded);
    expect(texts.map((ids) => one.decode(ids, { keepSpecial: true }))).toEqual(whole);
    for (const [role, token] of Object.entries(special))
      expect([role, one.special[role.replace("_token", "") as "pad"]?.token]).toEqual([role, token]);
  }
});

test("a model of another kind, or a vocabulary of tiktoken, is refused by its name", async () => {
  const folder = folderOf("unigram", "llama", "llama", {});
  const file = join(folder, "tokenizer.model");
  for (const [bytes, words] of [
    [readFileSync(join(fixtures, "../sentencepiece/deberta-v2/spm.model")), /kind unigram/],
    [Buffer.from("IQ== 0\nIg== 1\nIw== 2\n"), /tokenizer\.model" is a vocabulary of tiktoken/],
  ] as const) {
    writeFileSync(file, bytes);
    await expect(openTokenizer(folder)).rejects.toThrow(
      expect.objectContaining({ code: "data/bad-tokenizer", message: expect.stringMatching(words) }),
    );
  }
});
