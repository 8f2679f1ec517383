import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { copyTokenizer } from "../../src/app/text/open.node.ts";
import { openTokenizer } from "../../src/data/text/open-tokenizer.node.ts";

interface Case {
  readonly kind: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly texts: readonly (readonly number[])[];
  readonly pairs: readonly { readonly ids: readonly number[]; readonly types: readonly number[] }[];
  readonly decoded: readonly string[];
}

const fixtures = resolve(import.meta.dirname, "../fixtures/sentencepiece");
const { texts, pairs, cases } = JSON.parse(readFileSync(join(fixtures, "expected.json"), "utf8")) as {
  readonly texts: readonly string[];
  readonly pairs: readonly (readonly [string, string])[];
  readonly cases: readonly Case[];
};
const root = mkdtempSync(join(tmpdir(), "diapason-sentencepiece-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A folder as a model is published with: its SentencePiece model, its configs, and no tokenizer.json. */
function folderOf(name: string, kind: string, config: object): string {
  const path = join(root, name);
  cpSync(join(fixtures, kind), path, { recursive: true });
  writeFileSync(join(path, "config.json"), JSON.stringify({ model_type: kind }));
  writeFileSync(join(path, "tokenizer_config.json"), JSON.stringify(config));
  return path;
}

test.each(cases.map((row, i) => [`${row.kind} ${JSON.stringify(row.config)}`, i] as const))(
  "%s gives what transformers' converter gives, and so does the tokenizer.json that is written",
  async (_, i) => {
    const { kind, config, texts: ids, pairs: both, decoded } = cases[i]!;
    const from = folderOf(`${i}`, kind, config);
    const tokenizer = await openTokenizer(from);
    const to = join(root, `${i}-saved`);
    await copyTokenizer(from, to, tokenizer);
    expect(readdirSync(to)).toContain("tokenizer.json");
    const encode = ({ encode }: typeof tokenizer, text: string, pair?: string) =>
      encode(text, pair === undefined ? {} : { pair });
    for (const one of [tokenizer, await openTokenizer(to)]) {
      expect(texts.map((text) => [...encode(one, text).ids])).toEqual(ids);
      const made = pairs.map(([text, pair]) => encode(one, text, pair));
      expect(made.map(({ ids, typeIds }) => ({ ids: [...ids], types: [...typeIds] }))).toEqual(both);
      expect(texts.map((text) => one.decode(encode(one, text).ids))).toEqual(decoded);
      expect(one.special.pad?.token).toBe(kind === "deberta-v2" ? "[PAD]" : "<pad>");
    }
  },
);

test("a damaged model ends in one error", async () => {
  const folder = folderOf("damaged", "deberta-v2", {});
  const whole = readFileSync(join(folder, "spm.model"));
  for (const bytes of [whole.subarray(0, whole.length - 9), Buffer.from("no model"), Buffer.alloc(0)]) {
    writeFileSync(join(folder, "spm.model"), bytes);
    await expect(openTokenizer(folder)).rejects.toThrow(
      expect.objectContaining({ code: "data/bad-tokenizer", message: expect.stringContaining("spm.model") }),
    );
  }
});
