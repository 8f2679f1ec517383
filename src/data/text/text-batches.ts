import { DiapasonError } from "../../base/errors.ts";
import { random } from "../../base/random.ts";

/** Labels of this number carry no loss, as everywhere in Hugging Face's libraries. */
export const ignored = -100;

/** Tokens of an example, ready to be put into batches. */
export interface TokenExample {
  /** How messages name it. */
  readonly id: string;
  readonly ids: Int32Array;
  /** All 0 where absent. */
  readonly typeIds?: Uint8Array;
  /**
   * A target for each token, `ignored` where there is none. For language models the token itself: label t is what the
   * tokens before t are to predict, and the loss shifts.
   */
  readonly labels?: Int32Array;
  /** Of packed examples: which of them a token belongs to, from 1; tokens see their own alone. */
  readonly segments?: Int32Array;
  /** Of packed examples: places that start again at 0 with each of them. */
  readonly positions?: Int32Array;
}

/** A tensor as a graph is fed it. */
export interface Int64Rows {
  readonly dtype: "int64";
  /** [batch, tokens] */
  readonly dims: readonly number[];
  readonly data: BigInt64Array;
}

/** Examples padded to the longest of them. */
export interface TextBatch {
  readonly ids: readonly string[];
  /** Places of the examples in the list they come from, where targets of whole examples are looked up. */
  readonly places: readonly number[];
  /** Tokens of each row. */
  readonly tokens: number;
  /** `padId` where there is no token. */
  readonly inputIds: Int64Rows;
  /** 1 for tokens, 0 for padding. */
  readonly attentionMask: Int64Rows;
  /** 0 for padding. */
  readonly tokenTypeIds: Int64Rows;
  /** `ignored` for padding; there where the examples have labels. */
  readonly labels?: Int64Rows;
  /** 0 for padding; there where the examples are packed. */
  readonly segmentIds?: Int64Rows;
  /** Of packed examples theirs, else counted from each row's first token; 0 for padding. */
  readonly positionIds: Int64Rows;
}

export interface TextBatchOptions {
  readonly examples: readonly TokenExample[];
  readonly batchSize: number;
  readonly shuffle: boolean;
  /** With `epoch` decides the order of shuffled examples. */
  readonly seed: number;
  readonly epoch: number;
  /**
   * Whether batches are of examples of like length; absent: where they are shuffled. Without shuffling the longest then
   * come first.
   */
  readonly groupByLength?: boolean;
  readonly padId: number;
  /** Where padding goes; absent: "right". */
  readonly side?: "left" | "right";
  /** Rows are padded to a multiple of this many tokens; absent: 1. */
  readonly multipleOf?: number;
  /** Batches to leave out at the start: where a resumed epoch goes on. */
  readonly skip?: number;
}

/** Batches in a mega-batch, inside which examples are sorted by length. */
const megaBatches = 50;

/**
 * Places of examples, batch by batch; every example once. The order depends on seed and epoch alone.
 *
 * Grouped by length: the examples are shuffled, cut into mega-batches of 50 batches (fewer, so that there are four),
 * sorted inside by length, cut into batches, and the batches shuffled. METHODS: length bucketing.
 */
export function batchPlaces(
  lengths: ArrayLike<number>,
  {
    batchSize,
    shuffle,
    seed,
    epoch,
    groupByLength = shuffle,
  }: Pick<TextBatchOptions, "batchSize" | "shuffle" | "seed" | "epoch" | "groupByLength">,
): readonly (readonly number[])[] {
  const count = lengths.length;
  if (!Number.isInteger(batchSize) || batchSize < 1)
    throw new DiapasonError(
      "data/bad-option",
      `The batch size is ${batchSize}; expected a whole number of at least 1.`,
      "Give a batch size such as 16.",
    );
  let order = shuffle
    ? Array.from(random(seed, "order", epoch).permutation(count))
    : Array.from({ length: count }, (_, i) => i);
  if (groupByLength) {
    const most = shuffle ? Math.max(1, Math.min(megaBatches, Math.floor(count / (batchSize * 4)))) : count;
    order = chunks(order, most * batchSize).flatMap((part) => part.sort((a, b) => lengths[b]! - lengths[a]!));
  }
  const batches = chunks(order, batchSize);
  if (!(shuffle && groupByLength)) return batches;
  return Array.from(random(seed, "batches", epoch).permutation(batches.length), (i) => batches[i]!);
}

function chunks<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) =>
    list.slice(i * size, (i + 1) * size),
  );
}

/** Examples in padded batches. The same options give the same batches; `skip` leaves out those before. */
export function* textBatches(options: TextBatchOptions): Generator<TextBatch> {
  const { examples, skip = 0 } = options;
  const lengths = Int32Array.from(examples, ({ ids }) => ids.length);
  for (const places of batchPlaces(lengths, options).slice(skip)) yield collate(places, options);
}

/** Puts examples into a batch, in the order of `places`. */
export function collate(
  places: readonly number[],
  {
    examples,
    padId,
    side = "right",
    multipleOf = 1,
  }: Pick<TextBatchOptions, "examples" | "padId" | "side" | "multipleOf">,
): TextBatch {
  const chosen = places.map((place) => examples[place]!);
  const longest = chosen.reduce((most, { ids }) => Math.max(most, ids.length), 1);
  const tokens = Math.ceil(longest / multipleOf) * multipleOf;
  const rows = (fill: number, of: (example: TokenExample) => ArrayLike<number> | undefined): Int64Rows => {
    const data = new Int64Writer(chosen.length * tokens, fill);
    for (const [row, example] of chosen.entries()) {
      const values = of(example);
      if (!values) continue;
      const start = row * tokens + (side === "left" ? tokens - values.length : 0);
      for (let i = 0; i < values.length; i++) data.set(start + i, values[i]!);
    }
    return { dtype: "int64", dims: [chosen.length, tokens], data: data.array };
  };
  const has = (name: "labels" | "segments") => chosen.some((example) => example[name] !== undefined);
  return {
    ids: chosen.map(({ id }) => id),
    places,
    tokens,
    inputIds: rows(padId, ({ ids }) => ids),
    attentionMask: rows(0, ({ ids }) => new Uint8Array(ids.length).fill(1)),
    tokenTypeIds: rows(0, ({ typeIds }) => typeIds),
    positionIds: rows(0, ({ positions, ids }) => positions ?? Int32Array.from(ids, (_, i) => i)),
    ...(has("labels") && { labels: rows(ignored, ({ labels }) => labels) }),
    ...(has("segments") && {
      segmentIds: rows(0, ({ segments, ids }) => segments ?? new Int32Array(ids.length).fill(1)),
    }),
  };
}

/** Writes 32-bit numbers into 64-bit ones as pairs of words, low word first, without a bigint for each. */
class Int64Writer {
  readonly array: BigInt64Array;
  readonly #words: Int32Array;

  constructor(length: number, fill: number) {
    this.array = new BigInt64Array(length).fill(BigInt(fill));
    this.#words = new Int32Array(this.array.buffer);
  }

  set(place: number, value: number): void {
    this.#words[2 * place] = value;
    this.#words[2 * place + 1] = value >> 31;
  }
}
