import { bpe } from "./bpe.ts";
import { byteTokens, type PartConfig } from "./token-parts.ts";
import { TokenTrie } from "./token-trie.ts";

/** What gives the tokens of a piece. */
export interface TokenModel {
  readonly ids: ReadonlyMap<string, number>;
  encode(piece: string): readonly number[];
  /** What byte-pair vocabularies write at the end of a word, such as "</w>". */
  readonly wordEnd?: string;
}

/** Each model of tokenizer.json, as Rust's `tokenizers` computes it. */
const models: Readonly<Record<string, (config: PartConfig) => TokenModel>> = {
  WordPiece: wordPiece,
  WordLevel(config) {
    const ids = vocabOf(config);
    const unknown = unknownOf(config, ids);
    return { ids, encode: (piece) => one(ids.get(piece) ?? unknown) };
  },
  BPE: bpe,
  Unigram: unigram,
};

/** The model of a tokenizer.json. @throws Error for one that is not known */
export function buildModel(config: unknown): TokenModel {
  const given = config as PartConfig | undefined;
  if (!given?.["vocab"]) throw new Error("it has no model with a vocabulary");
  const type =
    given.type ?? (given["merges"] ? "BPE" : Array.isArray(given["vocab"]) ? "Unigram" : "WordPiece");
  if (!Object.hasOwn(models, type)) throw new Error(`its model "${type}" is not known`);
  return models[type]!(given);
}

const one = (id: number | undefined): readonly number[] => (id === undefined ? [] : [id]);

export const vocabOf = (config: PartConfig): Map<string, number> =>
  new Map(Object.entries(config["vocab"] as Readonly<Record<string, number>>));

export const unknownOf = (config: PartConfig, ids: ReadonlyMap<string, number>): number | undefined =>
  typeof config["unk_token"] === "string" ? ids.get(config["unk_token"]) : undefined;

/** The longest piece of the vocabulary again and again; a word that cannot be put together so is unknown as a whole. */
function wordPiece(config: PartConfig): TokenModel {
  const ids = vocabOf(config);
  const unknown = unknownOf(config, ids);
  if (unknown === undefined) throw new Error("its WordPiece has no unknown token");
  const prefix = String(config["continuing_subword_prefix"] ?? "##");
  const most = Number(config["max_input_chars_per_word"] ?? 100);
  const longest = [...ids.keys()].reduce((length, token) => Math.max(length, token.length), 0);
  return {
    ids,
    encode(piece) {
      const characters = Array.from(piece);
      if (characters.length > most) return [unknown];
      const found: number[] = [];
      for (let start = 0; start < characters.length; ) {
        let end = Math.min(characters.length, start + longest);
        let id: number | undefined;
        for (; end > start; end--) {
          id = ids.get((start > 0 ? prefix : "") + characters.slice(start, end).join(""));
          if (id !== undefined) break;
        }
        if (id === undefined) return [unknown];
        found.push(id);
        start = end;
      }
      return found;
    },
  };
}

/** Below the worst score of the vocabulary, what an unknown character costs. */
const unknownPenalty = 10;

/** The most probable way to put a piece together (Viterbi). Unknown characters that follow each other are one token. */
function unigram(config: PartConfig): TokenModel {
  const vocab = config["vocab"] as readonly (readonly [string, number])[];
  const ids = new Map(vocab.map(([token], id) => [token, id]));
  const scores = Float64Array.from(vocab, ([, score]) => score);
  const trie = new TokenTrie();
  for (const [id, [token]] of vocab.entries()) if (token !== "") trie.add(token, id);
  const unknown = typeof config["unk_id"] === "number" ? config["unk_id"] : undefined;
  const unknownScore =
    scores.reduce((least, score) => Math.min(least, score), Number.POSITIVE_INFINITY) - unknownPenalty;
  const fallsBack = config["byte_fallback"] === true;
  return {
    ids,
    encode(piece) {
      const length = piece.length;
      const best = new Float64Array(length + 1);
      const from = new Int32Array(length + 1).fill(-1);
      const by = new Int32Array(length + 1);
      const reach = (start: number, end: number, score: number, id: number) => {
        const total = best[start]! + score;
        if (from[end] !== -1 && total <= best[end]!) return;
        [best[end], from[end], by[end]] = [total, start, id];
      };
      for (let start = 0; start < length; ) {
        const size = piece.codePointAt(start)! > 0xffff ? 2 : 1;
        let isKnown = false;
        for (let node = 0, end = start; end < length; ) {
          node = trie.step(node, piece.charCodeAt(end++));
          if (node === -1) break;
          const id = trie.valueAt(node);
          if (id === -1) continue;
          reach(start, end, scores[id]!, id);
          if (end === start + size) isKnown = true;
        }
        if (!isKnown) reach(start, start + size, unknownScore, -1);
        start += size;
      }
      const path: { readonly start: number; readonly end: number; readonly id: number }[] = [];
      for (let end = length; end > 0; end = from[end]!) path.push({ start: from[end]!, end, id: by[end]! });
      path.reverse();
      const found: number[] = [];
      for (let i = 0; i < path.length; i++) {
        const { start, id } = path[i]!;
        if (id !== -1 && id !== unknown) {
          found.push(id);
          continue;
        }
        let last = i;
        while (last + 1 < path.length && (path[last + 1]!.id === -1 || path[last + 1]!.id === unknown))
          last++;
        i = last;
        const bytes = fallsBack
          ? byteTokens(piece.slice(start, path[last]!.end)).map((token) => ids.get(token))
          : [];
        if (bytes.length > 0 && bytes.every((byte) => byte !== undefined)) found.push(...bytes);
        else if (unknown !== undefined) found.push(unknown);
      }
      return found;
    },
  };
}
