import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { buildTokenizer } from "../../src/data/text/build-tokenizer.ts";
import { openTokenizer, readTokenizerFiles } from "../../src/data/text/open-tokenizer.node.ts";
import { cutPair } from "../../src/data/text/token-template.ts";
import type { Encoding, TextTokenizer } from "../../src/data/text/tokenizer.ts";
import { assets, haveAssets } from "../assets.ts";
import { newFolder } from "../new-folder.ts";
import { fixtureTokenizer, tokenizerFiles } from "./tokenizer-fixtures.ts";

type Tokens = readonly number[] | { readonly ids: readonly number[]; readonly types: readonly number[] };

interface Expected {
  readonly texts: readonly (readonly number[])[];
  readonly bare: readonly (readonly number[])[];
  readonly cut: readonly (readonly (readonly number[])[])[];
  readonly pairs: readonly Tokens[];
  readonly cutPairs: readonly (readonly Tokens[])[];
  readonly words: readonly { readonly ids: readonly number[]; readonly words: readonly number[] }[];
  readonly decoded: readonly string[];
  readonly decodedWhole: readonly string[];
  /** SHA-256 of the tokens of all random texts. */
  readonly random: string;
}

const known = JSON.parse(
  readFileSync(resolve(import.meta.dirname, "../fixtures/tokenizers/expected.json"), "utf8"),
) as {
  readonly texts: readonly string[];
  readonly pairs: readonly (readonly [string, string])[];
  readonly lengths: readonly number[];
  readonly words: readonly (readonly string[])[];
  readonly random: readonly string[];
  readonly expected: Readonly<Record<string, Expected>>;
};

const open = (name: string): TextTokenizer =>
  name.startsWith("models/")
    ? buildTokenizer(tokenizerFiles(name, assets(name)), name)
    : fixtureTokenizer(name);
const tokens = ({ ids, typeIds }: Encoding): Tokens =>
  typeIds.some(Boolean) ? { ids: [...ids], types: [...typeIds] } : [...ids];
const kinds = Object.keys(known.expected).filter((name) => haveAssets || !name.startsWith("models/"));

describe.each(kinds)("%s gives what Python's tokenizers give", (name) => {
  const tokenizer = open(name);
  const expected = known.expected[name]!;

  test("for texts of many scripts, empty and long ones", () => {
    for (const [i, text] of known.texts.entries())
      expect([text.slice(0, 80), [...tokenizer.encode(text).ids]]).toEqual([
        text.slice(0, 80),
        expected.texts[i],
      ]);
    for (const [i, text] of known.texts.slice(3, 8).entries())
      expect([...tokenizer.encode(text, { addSpecial: false }).ids]).toEqual(expected.bare[i]);
  });

  test("for texts of characters from everywhere", () => {
    const made = JSON.stringify(known.random.map((text) => [...tokenizer.encode(text).ids]));
    expect(known.random.length).toBe(500);
    expect(createHash("sha256").update(made).digest("hex")).toBe(expected.random);
  });

  test("for texts cut to a length", () => {
    for (const [i, text] of known.texts.slice(6, 9).entries())
      for (const [j, maxLength] of known.lengths.entries()) {
        const made = tokenizer.encode(text, { maxLength });
        expect([maxLength, ...made.ids]).toEqual([maxLength, ...expected.cut[i]![j]!]);
        expect(made.isTruncated).toBe(tokenizer.encode(text).ids.length > maxLength);
      }
  });

  test("for pairs, whole and cut", () => {
    for (const [i, [text, pair]] of known.pairs.entries()) {
      expect(tokens(tokenizer.encode(text, { pair }))).toEqual(expected.pairs[i]);
      for (const [j, maxLength] of known.lengths.slice(1).entries())
        expect(tokens(tokenizer.encode(text, { pair, maxLength }))).toEqual(expected.cutPairs[i]![j]);
    }
  });

  test("for words that are split already", () => {
    for (const [i, words] of known.words.entries()) {
      const made = tokenizer.encodeWords(words);
      expect({ ids: [...made.ids], words: [...made.wordIds!] }).toEqual(expected.words[i]);
    }
  });

  // A vocabulary with ends of words is decoded to words here; the decoder that such files have leaves "</w>" in the text.
  test.skipIf(name === "clip")("for tokens made text again", () => {
    for (const [i, text] of expected.decoded.entries()) {
      expect(tokenizer.decode(expected.texts[i]!)).toBe(text);
      expect(tokenizer.decode(expected.texts[i]!, { keepSpecial: true })).toBe(expected.decodedWhole[i]);
    }
  });
});

test("every kind of tokenizer was compared", () => {
  expect(kinds.filter((name) => !name.startsWith("models/")).length).toBe(14);
  expect(known.texts.length).toBeGreaterThan(35);
});

describe("a tokenizer", () => {
  test("knows its special tokens, its longest text and where it pads", () => {
    const bert = fixtureTokenizer("bert-uncased");
    expect(Object.keys(bert.special).sort()).toEqual(["cls", "mask", "pad", "sep", "unk"]);
    expect([bert.special.cls!.token, bert.maxLength, bert.paddingSide]).toEqual(["[CLS]", 64, "right"]);
    expect(bert.tokenOf(bert.special.mask!.id)).toBe("[MASK]");
    expect(bert.idOf("[MASK]")).toBe(bert.special.mask!.id);
    expect(bert.specialIds.has(bert.special.sep!.id)).toBe(true);
    expect(fixtureTokenizer("qwen").paddingSide).toBe("left");
    expect(fixtureTokenizer("gpt2").maxLength).toBeUndefined();
  });

  test("without a pad token fills with the end of the sequence, and without either says so", () => {
    const llama = fixtureTokenizer("llama2");
    expect(llama.padId).toBe(llama.special.eos!.id);
    const files = tokenizerFiles("llama2");
    const { eos_token: _, ...config } = files.config;
    expect(() => buildTokenizer({ ...files, config }, "here").padId).toThrow(
      expect.objectContaining({ code: "data/no-token" }),
    );
  });

  test("reads lines of millions of characters without a space", () => {
    const lengths = { "bert-uncased": 10_000_000, gpt2: 1_000_000, llama2: 1_000_000, "xlm-r": 1_000_000 };
    for (const [kind, length] of Object.entries(lengths)) {
      const made = fixtureTokenizer(kind).encode("ab".repeat(length / 2), { maxLength: 32 });
      expect(made.ids.length).toBeLessThanOrEqual(32);
      expect(made.isTruncated).toBe(kind !== "bert-uncased");
    }
  });

  test("that is damaged, missing or of an unknown kind is refused by name", async () => {
    const folder = newFolder();
    await expect(openTokenizer(folder)).rejects.toMatchObject({ code: "data/no-tokenizer" });
    writeFileSync(join(folder, "tokenizer.json"), "{");
    await expect(openTokenizer(folder)).rejects.toMatchObject({ code: "data/bad-tokenizer" });
    writeFileSync(join(folder, "tokenizer.json"), "{}");
    await expect(openTokenizer(folder)).rejects.toMatchObject({ code: "data/bad-tokenizer" });
    const files = tokenizerFiles("gpt2");
    const strange = { ...files.tokenizer, pre_tokenizer: { type: "Morphemes" } };
    expect(() => buildTokenizer({ ...files, tokenizer: strange }, "tokenizer.json")).toThrow(
      expect.objectContaining({
        code: "data/bad-tokenizer",
        message: expect.stringContaining('pre-tokenizer "Morphemes" is not known'),
      }),
    );
  });

  test("encodes many texts in threads as it does here, in their order", async () => {
    const folder = newFolder();
    const files = tokenizerFiles("bert-uncased");
    writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(files.tokenizer));
    writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(files.config));
    const tokenizer = await openTokenizer(folder);
    try {
      const texts = Array.from(
        { length: 6000 },
        (_, i) => `${known.texts[i % 31]} number ${i}, a tone of a fork`,
      );
      expect(texts.reduce((sum, { length }) => sum + length, 0)).toBeGreaterThan(200_000);
      const many = await tokenizer.encodeMany(texts, { maxLength: 16 });
      expect(many).toEqual(texts.map((text) => tokenizer.encode(text, { maxLength: 16 })));
      const pairs = await tokenizer.encodeMany([{ text: "a fork", pair: "a tone" }]);
      expect(pairs).toEqual([tokenizer.encode("a fork", { pair: "a tone" })]);
      // Encoded once, they are not encoded again.
      expect((await tokenizer.encodeMany(texts, { maxLength: 16 }))[5]!.ids).toBe(many[5]!.ids);
    } finally {
      await tokenizer.close();
    }
  });

  test("reads the older files that tokenizers came in", async () => {
    const folder = newFolder();
    const { model } = tokenizerFiles("bert-uncased").tokenizer as {
      model: { vocab: Record<string, number> };
    };
    const vocab = Object.entries(model.vocab).sort((a, b) => a[1] - b[1]);
    writeFileSync(join(folder, "vocab.txt"), vocab.map(([token]) => token).join("\n"));
    writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify({ do_lower_case: true }));
    const bert = buildTokenizer(await readTokenizerFiles(folder), folder);
    for (const [i, text] of known.texts.entries())
      expect([...bert.encode(text).ids]).toEqual(known.expected["bert-uncased"]!.texts[i]);

    const other = newFolder();
    const gpt2 = tokenizerFiles("gpt2").tokenizer as {
      model: { vocab: Record<string, number>; merges: (string | string[])[] };
    };
    writeFileSync(join(other, "vocab.json"), JSON.stringify(gpt2.model.vocab));
    const merges = gpt2.model.merges.map((merge) => (typeof merge === "string" ? merge : merge.join(" ")));
    writeFileSync(join(other, "merges.txt"), `#version: 0.2\n${merges.join("\n")}\n`);
    const bpe = buildTokenizer(await readTokenizerFiles(other), other);
    for (const [i, text] of known.texts.entries())
      expect([...bpe.encode(text).ids]).toEqual(known.expected["gpt2"]!.texts[i]);
  });
});

test("the longer of a pair is cut first", () => {
  expect(cutPair(10, 3, 8)).toEqual([5, 3]);
  expect(cutPair(3, 10, 8)).toEqual([3, 5]);
  expect(cutPair(10, 9, 7)).toEqual([4, 3]);
  expect(cutPair(2, 3, 8)).toEqual([2, 3]);
});
