import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openTokenizer } from "../../src/data/text/open-tokenizer.node.ts";
import { tokenizerFiles } from "./tokenizer-fixtures.ts";

interface Case {
  readonly kind: string;
  readonly modelType: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly ids: readonly (readonly number[])[];
}

const fixtures = resolve(import.meta.dirname, "../fixtures");
const folder = mkdtempSync(join(tmpdir(), "diapason-tokenizer-classes-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const { texts, cases } = JSON.parse(readFileSync(join(fixtures, "tokenizer-classes.json"), "utf8")) as {
  readonly texts: readonly string[];
  readonly cases: readonly Case[];
};

/** A folder with the tokenizer.json of a fixture beside other files. */
function folderOf(name: string, kind: string, files: Readonly<Record<string, object>>): string {
  const path = join(folder, name);
  mkdirSync(path);
  cpSync(join(fixtures, "tokenizers", kind, "tokenizer.json"), join(path, "tokenizer.json"));
  for (const [file, content] of Object.entries(files))
    writeFileSync(join(path, file), JSON.stringify(content));
  return path;
}

test.each(
  cases.map((row, i) => [`${row.kind} as ${row.modelType || "no type"} ${JSON.stringify(row.config)}`, i]),
)("%s gives transformers' tokens", async (_, i) => {
  const { kind, modelType, config, ids } = cases[i as number]!;
  const special = Object.entries(tokenizerFiles(kind).config).filter(([key]) => key.endsWith("_token"));
  const path = folderOf(`${i}`, kind, {
    "tokenizer_config.json": { ...Object.fromEntries(special), ...config },
    "config.json": modelType ? { model_type: modelType } : {},
  });
  const tokenizer = await openTokenizer(path);
  expect(texts.map((text) => [...tokenizer.encode(text).ids])).toEqual(ids);
});

test("a tokenizer.json alone: special tokens are those of the usual names that it marks", async () => {
  const bert = await openTokenizer(folderOf("bert", "bert-uncased", {}));
  expect([bert.special.pad?.token, bert.special.cls?.token, bert.special.bos]).toEqual([
    "[PAD]",
    "[CLS]",
    undefined,
  ]);
  const xlm = await openTokenizer(folderOf("xlm", "roberta", {}));
  expect([xlm.padId, xlm.special.mask?.token]).toEqual([xlm.idOf("<pad>"), "<mask>"]);
  const said = await openTokenizer(
    folderOf("said", "bert-uncased", { "tokenizer_config.json": { sep_token: "[SEP]" } }),
  );
  expect([said.special.sep?.token, said.special.pad]).toEqual(["[SEP]", undefined]);
});

test.each([
  ["spiece.model", "SentencePiece"],
  ["sentencepiece.bpe.model", "SentencePiece"],
  ["spm.model", "SentencePiece"],
])("a folder with %s alone is told what to do", async (file, word) => {
  const path = join(folder, file.replaceAll(".", "-"));
  mkdirSync(path);
  writeFileSync(join(path, file), "x");
  await expect(openTokenizer(path)).rejects.toThrow(
    expect.objectContaining({ code: "data/no-tokenizer", message: expect.stringContaining(word) }),
  );
});
