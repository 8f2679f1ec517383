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
  checkRepeats(pattern.Regex);
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

/**
 * Refuses a pattern in which a group repeats without end and so does something in it, such as (a+)+: on a word that it does
 * not match it may try all ways to cut it, which takes as long as it likes. No tokenizer has use for one.
 */
function checkRepeats(pattern: string): void {
  // classes and escaped characters hold no operators
  const plain = pattern.replace(/\\[pP]\{[^}]*\}|\\./gsu, "x").replace(/\[(?:\^?\])?[^\]]*\]/g, "x");
  const open: boolean[] = [];
  for (const { 0: sign } of plain.matchAll(/\(|\)(?:[*+]|\{\d*,\})?|[*+]|\{\d*,\}/g)) {
    if (sign === "(") open.push(false);
    else if (sign.startsWith(")")) {
      const repeats = open.pop() ?? false;
      if (repeats && sign.length > 1)
        throw new Error(
          `its pattern ${JSON.stringify(pattern.slice(0, 80))} repeats a group in which something repeats, and may never end`,
        );
      if (open.length > 0 && (repeats || sign.length > 1)) open[open.length - 1] = true;
    } else if (open.length > 0) open[open.length - 1] = true;
  }
}
