import { type TokenModel, unknownOf, vocabOf } from "./token-models.ts";
import { byteTokens, type PartConfig } from "./token-parts.ts";

/** Two numbers of tokens as one: vocabularies have fewer than 2²⁶ tokens. */
const pairKey = (left: number, right: number): number => left * 0x4000000 + right;

/**
 * Byte-pair encoding: of all neighbours those are joined first whose merge was learnt first, the leftmost of equal ones.
 *
 * Source: huggingface/tokenizers, `merge_word` and `merge_all`.
 */
export function bpe(config: PartConfig): TokenModel {
  const ids = vocabOf(config);
  const unknown = unknownOf(config, ids);
  const prefix = text(config["continuing_subword_prefix"]);
  const suffix = text(config["end_of_word_suffix"]);
  const { ranks, results } = readMerges(config, ids, prefix);
  const fallsBack = config["byte_fallback"] === true;
  const fuses = config["fuse_unk"] === true;
  const takesWhole = config["ignore_merges"] === true;

  /** Tokens of the characters, before anything is joined. */
  const characters = (piece: string): number[] => {
    const found: number[] = [];
    let isUnknown = false;
    for (let i = 0; i < piece.length; ) {
      const end = i + (piece.codePointAt(i)! > 0xffff ? 2 : 1);
      const spelled = (i > 0 ? prefix : "") + piece.slice(i, end) + (end === piece.length ? suffix : "");
      i = end;
      const id = ids.get(spelled);
      if (id === undefined && fallsBack) {
        const bytes = byteTokens(spelled).map((token) => ids.get(token));
        if (bytes.every((byte) => byte !== undefined)) {
          found.push(...bytes);
          isUnknown = false;
          continue;
        }
      }
      if (id !== undefined) found.push(id);
      else if (unknown !== undefined && !(isUnknown && fuses)) found.push(unknown);
      isUnknown = id === undefined;
    }
    return found;
  };

  return {
    ids,
    ...(suffix !== "" && { wordEnd: suffix }),
    encode(piece) {
      if (takesWhole) {
        const whole = ids.get(piece);
        if (whole !== undefined) return [whole];
      }
      const tokens = characters(piece);
      return tokens.length < 2 ? tokens : mergeAll(Int32Array.from(tokens), ranks, results);
    },
  };
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");

function readMerges(config: PartConfig, ids: ReadonlyMap<string, number>, prefix: string) {
  const merges = (config["merges"] ?? []) as readonly (string | readonly [string, string])[];
  const ranks = new Map<number, number>();
  const results = new Int32Array(merges.length);
  for (const [rank, merge] of merges.entries()) {
    const [left, right] = typeof merge === "string" ? merge.split(" ", 2) : merge;
    const [a, b] = [ids.get(left!), ids.get(right!)];
    const joined = ids.get(left! + right!.slice(prefix.length));
    if (a === undefined || b === undefined || joined === undefined)
      throw new Error(
        `its merge ${rank + 1} (${JSON.stringify(merge)}) is of tokens that the vocabulary lacks`,
      );
    ranks.set(pairKey(a, b), rank);
    results[rank] = joined;
  }
  return { ranks, results };
}

/** Joins tokens in place. A queue holds what may be joined by rank, then place; entries that have gone stale are skipped. */
function mergeAll(
  tokens: Int32Array,
  ranks: ReadonlyMap<number, number>,
  results: Int32Array,
): readonly number[] {
  const count = tokens.length;
  const next = Int32Array.from({ length: count }, (_, i) => (i + 1 < count ? i + 1 : -1));
  const previous = Int32Array.from({ length: count }, (_, i) => i - 1);
  const queue = new Queue();
  // Places are below 2²⁷, which a text in memory cannot exceed by much, and ranks below 2²⁶.
  const places = 0x8000000;
  const offer = (place: number) => {
    const after = next[place]!;
    if (after === -1) return;
    const rank = ranks.get(pairKey(tokens[place]!, tokens[after]!));
    if (rank !== undefined) queue.push(rank * places + place);
  };
  for (let i = 0; i < count - 1; i++) offer(i);
  for (let entry = queue.pop(); entry !== undefined; entry = queue.pop()) {
    const rank = Math.floor(entry / places);
    const place = entry - rank * places;
    const after = next[place]!;
    if (tokens[place] === -1 || after === -1) continue;
    if (ranks.get(pairKey(tokens[place]!, tokens[after]!)) !== rank) continue;
    tokens[place] = results[rank]!;
    tokens[after] = -1;
    const beyond = next[after]!;
    next[place] = beyond;
    if (beyond !== -1) previous[beyond] = place;
    offer(place);
    if (previous[place]! >= 0) offer(previous[place]!);
  }
  const found: number[] = [];
  for (const token of tokens) if (token !== -1) found.push(token);
  return found;
}

/** A binary heap of numbers, the least first. */
class Queue {
  readonly #items: number[] = [];

  push(item: number): void {
    const items = this.#items;
    let place = items.push(item) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (items[parent]! <= item) break;
      items[place] = items[parent]!;
      place = parent;
    }
    items[place] = item;
  }

  pop(): number | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (top === undefined || last === undefined || items.length === 0) return top;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && items[child + 1]! < items[child]!) child++;
      if (items[child]! >= last) break;
      items[place] = items[child]!;
      place = child;
    }
    items[place] = last;
    return top;
  }
}
