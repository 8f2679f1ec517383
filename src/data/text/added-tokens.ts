import { TokenTrie } from "./token-trie.ts";

/** A token of tokenizer.json's added_tokens: found in a text before anything else is. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Counts only where no letter, digit or underscore stands beside it. */
  readonly single_word: boolean;
  /** Takes the white space before it, after it. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Searched for in the normalised text. */
  readonly normalized: boolean;
  readonly special: boolean;
}

/** A special token that is found where it stands, but for what is said of it. */
export const specialToken = (
  id: number,
  content: string,
  more: Partial<Omit<AddedToken, "id" | "content">> = {},
): AddedToken => ({
  ...{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
  ...more,
});

/** A part of a text: a token, or what lies between tokens. */
export type TextPart = { readonly id: number } | { readonly text: string; readonly start: number };

/** Finds added tokens in texts: the leftmost, and of those the longest. */
export class AddedTokens {
  /** The values are places in the list. */
  readonly #trie = new TokenTrie();
  readonly #tokens: readonly AddedToken[];

  /** `contentOf`: how a token is spelled where it is searched for. */
  constructor(tokens: readonly AddedToken[], contentOf: (token: AddedToken) => string) {
    this.#tokens = tokens;
    for (const [place, token] of tokens.entries()) {
      const content = contentOf(token);
      if (content !== "") this.#trie.add(content, place);
    }
  }

  split(text: string): readonly TextPart[] {
    if (text === "") return [];
    if (this.#tokens.length === 0) return [{ text, start: 0 }];
    const parts: TextPart[] = [];
    let done = 0;
    for (let at = 0; at < text.length; ) {
      const found = this.#longestAt(text, at);
      if (!found) {
        at++;
        continue;
      }
      let [start, stop] = [at, at + found.length];
      at = stop;
      const { token } = found;
      if (token.single_word && (endsInWord(text, start) || startsWithWord(text, stop))) continue;
      if (token.lstrip) while (start > done && isSpace(text.charCodeAt(start - 1))) start--;
      if (token.rstrip) while (stop < text.length && isSpace(text.charCodeAt(stop))) stop++;
      if (start > done) parts.push({ text: text.slice(done, start), start: done });
      parts.push({ id: token.id });
      done = stop;
      at = Math.max(at, stop);
    }
    if (done < text.length) parts.push({ text: text.slice(done), start: done });
    return parts;
  }

  #longestAt(text: string, at: number): { readonly token: AddedToken; readonly length: number } | undefined {
    let node = 0;
    let found: { token: AddedToken; length: number } | undefined;
    for (let i = at; i < text.length; i++) {
      node = this.#trie.step(node, text.charCodeAt(i));
      if (node === -1) break;
      const place = this.#trie.valueAt(node);
      if (place !== -1) found = { token: this.#tokens[place]!, length: i + 1 - at };
    }
    return found;
  }
}

const isSpace = (unit: number): boolean => /\p{White_Space}/u.test(String.fromCharCode(unit));
const word = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]";
const wordEnd = new RegExp(`${word}$`, "u");
const wordStart = new RegExp(`^${word}`, "u");
const endsInWord = (text: string, end: number): boolean =>
  wordEnd.test(text.slice(Math.max(0, end - 2), end));
const startsWithWord = (text: string, start: number): boolean => wordStart.test(text.slice(start, start + 2));
