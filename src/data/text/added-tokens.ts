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

/** A part of a text: a token, or what lies between tokens. */
export type TextPart = { readonly id: number } | { readonly text: string; readonly start: number };

interface TrieNode {
  readonly next: Map<number, TrieNode>;
  token?: AddedToken;
}

/** Finds added tokens in texts: the leftmost, and of those the longest. */
export class AddedTokens {
  readonly #root: TrieNode = { next: new Map() };
  readonly #isEmpty: boolean;

  /** `contentOf`: how a token is spelled where it is searched for. */
  constructor(tokens: readonly AddedToken[], contentOf: (token: AddedToken) => string) {
    this.#isEmpty = tokens.length === 0;
    for (const token of tokens) {
      let node = this.#root;
      const content = contentOf(token);
      if (content === "") continue;
      for (let i = 0; i < content.length; i++) {
        const unit = content.charCodeAt(i);
        let next = node.next.get(unit);
        if (!next) {
          next = { next: new Map() };
          node.next.set(unit, next);
        }
        node = next;
      }
      node.token ??= token;
    }
  }

  split(text: string): readonly TextPart[] {
    if (text === "") return [];
    if (this.#isEmpty) return [{ text, start: 0 }];
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
    let node: TrieNode | undefined = this.#root;
    let found: { token: AddedToken; length: number } | undefined;
    for (let i = at; i < text.length; i++) {
      node = node.next.get(text.charCodeAt(i));
      if (!node) break;
      if (node.token) found = { token: node.token, length: i + 1 - at };
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
