import { ignored, type TokenExample } from "./text-batches.ts";

/** What can be said of tokenised examples before anything is computed. */
export interface TokenFacts {
  readonly examples: number;
  /** Tokens of all examples. */
  readonly tokens: number;
  /** Examples that lost tokens to the longest length allowed. */
  readonly truncated: number;
  /** Examples that carry no loss at all, such as those whose answer was cut off. */
  readonly withoutLoss: number;
  /** Tokens that carry loss as a share of all, 0 … 1; absent where examples have no labels of their own. */
  readonly lossShare?: number;
  /** Whether the end-of-sequence (or end-of-turn) token is among the targets; absent without labels or such tokens. */
  readonly isEndTrained?: boolean;
  /** Tokens of an example: the least, percentiles (nearest rank), the most. All 0 without examples. */
  readonly lengths: {
    readonly least: number;
    readonly median: number;
    readonly p90: number;
    readonly p99: number;
    readonly most: number;
  };
}

/**
 * Facts about tokenised examples: how many were cut, what carries loss, whether the end is learnt, how long they are.
 *
 * `endIds`: tokens that end an answer, such as eos; `maxLength` of the tokenizer is known to the caller.
 */
export function tokenFacts(
  examples: readonly (TokenExample & { readonly isTruncated?: boolean })[],
  { endIds = [] }: { readonly endIds?: readonly number[] } = {},
): TokenFacts {
  const lengths = Int32Array.from(examples, ({ ids }) => ids.length).sort();
  const rank = (share: number) => lengths[Math.max(0, Math.ceil(share * lengths.length) - 1)] ?? 0;
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const hasLabels = examples.some(({ labels }) => labels !== undefined);
  const ends = new Set(endIds);
  let [trained, withoutLoss, isEndTrained] = [0, 0, false];
  for (const { labels } of examples) {
    if (!labels) continue;
    let count = 0;
    // The first token is predicted from nothing, so it never carries loss.
    for (let t = 1; t < labels.length; t++) {
      if (labels[t] === ignored) continue;
      count++;
      if (!isEndTrained && ends.has(labels[t]!)) isEndTrained = true;
    }
    trained += count;
    if (count === 0) withoutLoss++;
  }
  return {
    examples: examples.length,
    tokens,
    truncated: examples.filter(({ isTruncated }) => isTruncated).length,
    withoutLoss,
    ...(hasLabels && { lossShare: tokens === 0 ? 0 : trained / tokens }),
    ...(hasLabels && ends.size > 0 && { isEndTrained }),
    lengths: {
      least: lengths[0] ?? 0,
      median: rank(0.5),
      p90: rank(0.9),
      p99: rank(0.99),
      most: lengths.at(-1) ?? 0,
    },
  };
}

/** Share of padding among the tokens of batches, 0 … 1. `batches`: places of examples, as `batchPlaces` gives them. */
export function paddingShare(lengths: ArrayLike<number>, batches: readonly (readonly number[])[]): number {
  let [used, all] = [0, 0];
  for (const places of batches) {
    const longest = places.reduce((most, place) => Math.max(most, lengths[place]!), 0);
    for (const place of places) used += lengths[place]!;
    all += longest * places.length;
  }
  return all === 0 ? 0 : 1 - used / all;
}
