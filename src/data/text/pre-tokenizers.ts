import { escapePattern, type PatternConfig, rustPattern } from "./rust-pattern.ts";
import { rustPunctuation } from "./rust-unicode.ts";
import { checkGrowth, flatSteps, type PartConfig, rowOf, toByteCharacters } from "./token-parts.ts";

/** A stretch of a normalised text. `isStart`: it begins where the given text does. */
export interface Piece {
  readonly text: string;
  readonly isStart: boolean;
}

/** Cuts pieces into smaller ones; tokens never reach over their borders. */
export type PreTokenizer = (pieces: readonly Piece[]) => readonly Piece[];

type Behavior = "removed" | "isolated" | "mergedwithprevious" | "mergedwithnext" | "contiguous";

const space = "\\p{White_Space}";
const word = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}";
const gpt2 = new RegExp(
  `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${space}\\p{L}\\p{N}]+|${space}+(?!\\P{White_Space})|${space}+`,
  "gu",
);

/** How each pre-tokenizer of tokenizer.json cuts, as Rust's `tokenizers` does it. */
const preTokenizers: Readonly<Record<string, (config: PartConfig) => PreTokenizer>> = {
  // In two steps: a repeated class of this kind overflows the stack on a word of millions of characters.
  BertPreTokenizer() {
    const words = splitter(new RegExp(`${space}+`, "gu"), "removed");
    const marks = splitter(new RegExp(rustPunctuation, "gv"), "isolated");
    return (pieces) => marks(words(pieces));
  },
  Whitespace: () => splitter(new RegExp(`[${word}]+|[^${word}${space}]+`, "gu"), "removed", true),
  WhitespaceSplit: () => splitter(new RegExp(`${space}+`, "gu"), "removed"),
  Metaspace: metaspace,
  ByteLevel({ add_prefix_space: addSpace = true, use_regex: useRegex = true }) {
    const cut = useRegex ? splitter(gpt2, "isolated") : (pieces: readonly Piece[]) => pieces;
    return (pieces) =>
      cut(
        addSpace
          ? pieces.map((piece) => (piece.text.startsWith(" ") ? piece : { ...piece, text: ` ${piece.text}` }))
          : pieces,
      ).map((piece) => ({ ...piece, text: toByteCharacters(piece.text) }));
  },
  Split(config) {
    const { pattern, behavior, invert } = config as {
      readonly pattern?: PatternConfig;
      readonly behavior?: string;
      readonly invert?: boolean;
    };
    return splitter(rustPattern(pattern), behaviorOf(behavior), invert);
  },
  Punctuation: ({ behavior }) =>
    splitter(new RegExp(rustPunctuation, "gv"), behaviorOf(behavior as string | undefined)),
  Digits: ({ individual_digits: each }) => splitter(/\p{N}/gu, each ? "isolated" : "contiguous"),
  CharDelimiterSplit: ({ delimiter }) =>
    splitter(new RegExp(escapePattern(String(delimiter)), "gu"), "removed"),
  FixedLength: ({ length }) => splitter(new RegExp(`[\\s\\S]{1,${Number(length ?? 5)}}`, "gu"), "isolated"),
};

/** The pre-tokenizer of a tokenizer.json; none leaves texts whole. @throws Error for one that is not known */
export function buildPreTokenizer(config: unknown): PreTokenizer {
  if (!config) return (pieces) => pieces;
  const steps = flatSteps(config as PartConfig, "pretokenizers").map((step) =>
    rowOf(preTokenizers, step, "pre-tokenizer")(step),
  );
  const [first, ...others] = steps;
  if (!first) return (pieces) => pieces;
  return (pieces) => {
    const given = lengthOf(pieces);
    return others.reduce((made, step) => {
      const next = step(made);
      checkGrowth(lengthOf(next), given, "pre-tokenizer");
      return next;
    }, first(pieces));
  };
}

const lengthOf = (pieces: readonly Piece[]): number => pieces.reduce((sum, { text }) => sum + text.length, 0);

/** Spaces become marks, one is put before the text, and words begin with theirs. */
function metaspace(config: PartConfig): PreTokenizer {
  const mark = String(config["replacement"] ?? "\u2581");
  const scheme = config["prepend_scheme"] ?? (config["add_prefix_space"] === false ? "never" : "always");
  const cut =
    config["split"] === false
      ? (pieces: readonly Piece[]) => pieces
      : splitter(new RegExp(escapePattern(mark), "gu"), "mergedwithnext");
  return (pieces) =>
    cut(
      pieces.map(({ text, isStart }) => {
        const marked = text.replaceAll(" ", mark);
        const wants = scheme === "always" || (scheme === "first" && isStart);
        return { text: wants && !marked.startsWith(mark) ? mark + marked : marked, isStart };
      }),
    );
}

const behaviorOf = (said: string | undefined): Behavior =>
  (said ?? "Isolated").toLowerCase().replaceAll("_", "") as Behavior;

/** Cuts at what a pattern finds, or, inverted, at what lies between. */
function splitter(pattern: RegExp, behavior: Behavior, invert = false): PreTokenizer {
  return (pieces) =>
    pieces.flatMap(({ text, isStart }) => {
      const parts: Part[] = [];
      let done = 0;
      for (const { 0: found, index } of text.matchAll(pattern)) {
        if (index > done) parts.push({ start: done, end: index, isMatch: invert });
        if (found !== "") parts.push({ start: index, end: index + found.length, isMatch: !invert });
        done = index + found.length;
      }
      if (done < text.length) parts.push({ start: done, end: text.length, isMatch: invert });
      return joins[behavior](parts).map(({ start, end }) => ({
        text: text.slice(start, end),
        isStart: isStart && start === 0,
      }));
    });
}

interface Part {
  readonly start: number;
  readonly end: number;
  readonly isMatch: boolean;
}

/** What becomes of what is found. */
const joins: { readonly [B in Behavior]: (parts: readonly Part[]) => readonly Part[] } = {
  removed: (parts) => parts.filter(({ isMatch }) => !isMatch),
  isolated: (parts) => parts,
  contiguous: (parts) => merge(parts, (before, part) => before.isMatch === part.isMatch),
  mergedwithprevious: (parts) => merge(parts, (before, part) => part.isMatch && !before.isMatch),
  mergedwithnext: (parts) => merge(parts, (before, part) => before.isMatch && !part.isMatch),
};

/** Joins neighbours; what is joined is a match no more where only one of them was. */
function merge(parts: readonly Part[], joinsTo: (before: Part, part: Part) => boolean): readonly Part[] {
  const made: Part[] = [];
  for (const part of parts) {
    const before = made.at(-1);
    if (before && joinsTo(before, part))
      made[made.length - 1] = { start: before.start, end: part.end, isMatch: before.isMatch && part.isMatch };
    else made.push(part);
  }
  return made;
}
