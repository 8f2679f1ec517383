import { Tokenizer } from "@huggingface/tokenizers";

/** The parts of the library's tokenizer that are used; its own declarations do not resolve under Node's rules. */
interface LibraryTokenizer {
  readonly pre_tokenizer: { readonly pattern: RegExp | null };
}

/** A pattern of tokenizer.json: a text, or a regular expression as Rust's Oniguruma writes it. */
export interface PatternConfig {
  readonly String?: string;
  readonly Regex?: string;
}

/** A pattern as a regular expression of JavaScript. @throws Error where it cannot be written as one */
export function rustPattern(pattern: PatternConfig | undefined): RegExp {
  if (typeof pattern?.String === "string") return new RegExp(escapePattern(pattern.String), "gu");
  if (typeof pattern?.Regex !== "string") throw new Error("a pattern is neither a String nor a Regex");
  // The library has no other way to its translation than a tokenizer with a pre-tokenizer that splits.
  const library = new Tokenizer(
    {
      added_tokens: [],
      model: { type: "BPE", vocab: {}, merges: [] },
      normalizer: null,
      pre_tokenizer: { type: "Split", pattern, behavior: "Isolated", invert: false },
      post_processor: null,
      decoder: null,
    },
    {},
  ) as unknown as LibraryTokenizer;
  return library.pre_tokenizer.pattern ?? new RegExp(pattern.Regex, "gu");
}

/** A text as a pattern that finds it. */
export const escapePattern = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
