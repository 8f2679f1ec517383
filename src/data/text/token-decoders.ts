import { type PatternConfig, rustPattern } from "./rust-pattern.ts";
import { byteCharacters, checkGrowth, flatSteps, inserted, type PartConfig, rowOf } from "./token-parts.ts";

/** Makes the texts of tokens that are joined. */
export type TokenDecoder = (tokens: readonly string[]) => readonly string[];

const lossy = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
const encoder = new TextEncoder();
const byteOf = new Map(byteCharacters.map((character, byte) => [character, byte]));

/** What each decoder of tokenizer.json does, as Rust's `tokenizers` does it. */
const decoders: Readonly<Record<string, (config: PartConfig) => TokenDecoder>> = {
  ByteLevel: () => (tokens) => [
    lossy.decode(
      Uint8Array.from(
        tokens.flatMap((token) => {
          const bytes = Array.from(token, (character) => byteOf.get(character));
          // A token that is not of the vocabulary, such as one that was added, is its own text.
          return bytes.every((byte) => byte !== undefined) ? bytes : [...encoder.encode(token)];
        }),
      ),
    ),
  ],
  WordPiece({ prefix = "##", cleanup = true }) {
    return (tokens) =>
      tokens.map((token, i) => {
        const text =
          i === 0
            ? token
            : token.startsWith(String(prefix))
              ? token.slice(String(prefix).length)
              : ` ${token}`;
        return cleanup ? cleanUp(text).replaceAll(" do not", " don't") : text;
      });
  },
  Metaspace: ({ replacement = "\u2581", prepend_scheme: scheme }) => {
    const isPut = scheme !== "never";
    return (tokens) =>
      tokens.map((token, i) => token.replaceAll(String(replacement), i === 0 && isPut ? "" : " "));
  },
  BPEDecoder: ({ suffix = "</w>" }) => {
    return (tokens) =>
      tokens.map((token, i) => token.replaceAll(String(suffix), i === tokens.length - 1 ? "" : " "));
  },
  Replace(config) {
    const { pattern, content } = config as { readonly pattern?: PatternConfig; readonly content?: string };
    const found = rustPattern(pattern);
    const put = inserted(content ?? "");
    return (tokens) => tokens.map((token) => token.replace(found, () => put));
  },
  Fuse: () => (tokens) => [tokens.join("")],
  Strip({ content = " ", start = 0, stop = 0 }) {
    return (tokens) =>
      tokens.map((token) => {
        let [from, to] = [0, token.length];
        while (from < Number(start) && token[from] === content) from++;
        while (token.length - to < Number(stop) && to > from && token[to - 1] === content) to--;
        return token.slice(from, to);
      });
  },
  ByteFallback: () => byteFallback,
};

/** Bytes that follow each other are a text where they are one, else a mark each. */
function byteFallback(tokens: readonly string[]): readonly string[] {
  const made: string[] = [];
  let bytes: number[] = [];
  const end = () => {
    if (bytes.length === 0) return;
    try {
      made.push(strict.decode(Uint8Array.from(bytes)));
    } catch {
      made.push("\uFFFD".repeat(bytes.length));
    }
    bytes = [];
  };
  for (const token of tokens) {
    const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token);
    if (byte) {
      bytes.push(Number.parseInt(byte[1]!, 16));
      continue;
    }
    end();
    made.push(token);
  }
  end();
  return made;
}

/** The decoder of a tokenizer.json; without one tokens are joined with spaces. @throws Error for one that is not known */
export function buildDecoder(config: unknown): (tokens: readonly string[]) => string {
  if (!config) return (tokens) => tokens.join(" ");
  const steps = flatSteps(config as PartConfig, "decoders").map((step) =>
    rowOf(decoders, step, "decoder")(step),
  );
  return (tokens) => {
    const given = lengthOf(tokens);
    return steps
      .reduce((made, step) => {
        const next = step(made);
        checkGrowth(lengthOf(next), given, "decoder");
        return next;
      }, tokens)
      .join("");
  };
}

const lengthOf = (tokens: readonly string[]): number =>
  tokens.reduce((sum, token) => sum + token.length, tokens.length);

/** Spaces before punctuation and English contractions taken out, as transformers does where a tokenizer asks for it. */
export const cleanUp = (text: string): string =>
  text
    .replaceAll(" .", ".")
    .replaceAll(" ?", "?")
    .replaceAll(" !", "!")
    .replaceAll(" ,", ",")
    .replaceAll(" ' ", "'")
    .replaceAll(" n't", "n't")
    .replaceAll(" 'm", "'m")
    .replaceAll(" 's", "'s")
    .replaceAll(" 've", "'ve")
    .replaceAll(" 're", "'re");
