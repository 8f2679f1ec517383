import type { PreTokenizer } from "./pre-tokenizers.ts";
import type { Normalizer } from "./token-normalizers.ts";
import { flatSteps, type PartConfig } from "./token-parts.ts";

/**
 * A pre-tokenizer that begins every text, and so every word, with a space; undefined for one that has no such option.
 *
 * It is what `add_prefix_space=True` makes of GPT-2's and RoBERTa's, and what transformers asks for where texts are words.
 * Where something else cuts before bytes are made (Llama 3, Qwen) the option would put a space before each of its pieces.
 */
export function withPrefixSpace(config: unknown): Readonly<Record<string, unknown>> | undefined {
  const steps = config ? flatSteps(config as PartConfig, "pretokenizers") : [];
  const [only] = steps;
  if (steps.length !== 1 || only!["type"] !== "ByteLevel" || only!["use_regex"] === false) return undefined;
  return { ...only, add_prefix_space: true };
}

/** How a word is to be written so that its tokens are those it has in a text. `place`: the word's, from 0. */
export type SpaceWord = (word: string, place: number) => string;

/**
 * Puts a space before words, where the tokens of a text have it in them and a word alone would be without.
 *
 * The first word has one too where `withPrefixSpace` gives such a tokenizer, as in transformers; else it is what a text
 * begins with. Tokenizers that mark words themselves, or that drop spaces, take them as they are.
 */
export function wordSpacing(config: unknown, normalize: Normalizer, cut: PreTokenizer): SpaceWord {
  const read = (text: string) =>
    cut([{ text: normalize(text), isStart: true }])
      .map((piece) => piece.text)
      .join("");
  const [alone, spaced, two] = [read("a"), read(" a"), read("a a")];
  if (two !== alone + spaced || spaced === alone) return (word) => word;
  const first = withPrefixSpace(config) ? 0 : 1;
  return (word, place) => (place < first || word === "" || word.startsWith(" ") ? word : ` ${word}`);
}
