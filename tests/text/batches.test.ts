import { describe, expect, test } from "vitest";
import { random } from "../../src/base/random.ts";
import { cutWindows, packExamples } from "../../src/data/text/pack-examples.ts";
import {
  batchPlaces,
  ignored,
  type TextBatch,
  type TextBatchOptions,
  type TokenExample,
  textBatches,
} from "../../src/data/text/text-batches.ts";
import { paddingShare, tokenFacts } from "../../src/data/text/token-facts.ts";

const ids = (...values: readonly number[]): Int32Array => Int32Array.from(values);
/** Examples of seeded lengths whose tokens say which example they are of. */
function examplesOf(count: number, longest: number): readonly TokenExample[] {
  const draw = random(7, "lengths");
  return Array.from({ length: count }, (_, i) => ({
    id: `e${i}`,
    ids: new Int32Array(1 + draw.integer(longest)).fill(i + 1),
  }));
}
const rows = ({ dims: [, width], data }: TextBatch["inputIds"]): number[][] =>
  Array.from({ length: data.length / width! }, (_, i) =>
    Array.from(data.subarray(i * width!, (i + 1) * width!), Number),
  );
const base = { batchSize: 4, shuffle: true, seed: 3, epoch: 1, padId: 0 } satisfies Omit<
  TextBatchOptions,
  "examples"
>;

describe("batches", () => {
  test("are padded to their longest example", () => {
    const examples = [
      { id: "a", ids: ids(5, 6, 7), typeIds: Uint8Array.of(0, 1, 1), labels: ids(ignored, 6, 7) },
      { id: "b", ids: ids(8) },
    ];
    const [right] = [...textBatches({ ...base, examples, shuffle: false, padId: 9 })];
    expect(right!.ids).toEqual(["a", "b"]);
    expect(right!.inputIds.dims).toEqual([2, 3]);
    expect(rows(right!.inputIds)).toEqual([
      [5, 6, 7],
      [8, 9, 9],
    ]);
    expect(rows(right!.attentionMask)).toEqual([
      [1, 1, 1],
      [1, 0, 0],
    ]);
    expect(rows(right!.tokenTypeIds)).toEqual([
      [0, 1, 1],
      [0, 0, 0],
    ]);
    expect(rows(right!.labels!)).toEqual([
      [-100, 6, 7],
      [-100, -100, -100],
    ]);
    expect(rows(right!.positionIds)[0]).toEqual([0, 1, 2]);
    expect(right!.segmentIds).toBeUndefined();
    const [left] = [...textBatches({ ...base, examples, shuffle: false, side: "left", multipleOf: 4 })];
    expect(rows(left!.inputIds)).toEqual([
      [0, 5, 6, 7],
      [0, 0, 0, 8],
    ]);
    expect(rows(left!.positionIds)).toEqual([
      [0, 0, 1, 2],
      [0, 0, 0, 0],
    ]);
  });

  test("have every example once an epoch, in an order of seed and epoch alone", () => {
    const examples = examplesOf(1003, 60);
    const order = (more: Partial<TextBatchOptions>) =>
      [...textBatches({ ...base, examples, ...more })].map(({ ids }) => ids);
    for (const groupByLength of [true, false]) {
      const one = order({ groupByLength });
      expect(one.length).toBe(251);
      expect(new Set(one.flat()).size).toBe(1003);
      expect(one.flat().length).toBe(1003);
      expect(order({ groupByLength })).toEqual(one);
      expect(order({ groupByLength, epoch: 2 })).not.toEqual(one);
      expect(order({ groupByLength, seed: 4 })).not.toEqual(one);
      expect(order({ groupByLength, skip: 100 })).toEqual(one.slice(100));
    }
  });

  test("of like lengths waste far less than random ones", () => {
    const lengths = examplesOf(2000, 128).map(({ ids }) => ids.length);
    const share = (groupByLength: boolean) =>
      paddingShare(lengths, batchPlaces(lengths, { ...base, batchSize: 16, groupByLength }));
    expect(share(false)).toBeGreaterThan(0.4);
    expect(share(true)).toBeLessThan(0.06);
  });

  test("that are not shuffled keep the order given, or begin with the longest", () => {
    const lengths = [3, 9, 1, 5];
    const place = (groupByLength?: boolean) =>
      batchPlaces(lengths, {
        ...base,
        batchSize: 3,
        shuffle: false,
        ...(groupByLength && { groupByLength }),
      });
    expect(place()).toEqual([[0, 1, 2], [3]]);
    expect(place(true)).toEqual([[1, 3, 0], [2]]);
  });

  test("cannot be of no example", () => {
    expect(() => batchPlaces([1], { ...base, batchSize: 0 })).toThrow(
      expect.objectContaining({ code: "data/bad-option" }),
    );
    expect(batchPlaces([], base)).toEqual([]);
  });
});

describe("packing", () => {
  test("keeps every token of every example once, its place and whose it is", () => {
    const examples = examplesOf(500, 100);
    const packed = packExamples(examples, 128);
    const found = new Map<number, number>();
    for (const { ids, labels, segments, positions } of packed) {
      expect(ids.length).toBeLessThanOrEqual(128);
      for (const [t, id] of ids.entries()) {
        found.set(id, (found.get(id) ?? 0) + 1);
        const isFirst = t === 0 || segments![t] !== segments![t - 1];
        expect(positions![t]).toBe(isFirst ? 0 : positions![t - 1]! + 1);
        expect(labels![t]).toBe(isFirst ? ignored : id);
        // Tokens of one segment are of one example.
        if (!isFirst) expect(id).toBe(ids[t - 1]);
      }
    }
    expect(found).toEqual(new Map(examples.map(({ ids }, i) => [i + 1, ids.length])));
    const tokens = examples.reduce((sum, { ids }) => sum + ids.length, 0);
    // No way of packing needs fewer rows than there are tokens for.
    expect(packed.length).toBeLessThanOrEqual(Math.ceil(tokens / 128) * 1.03);
  });

  test("puts an example into the row with the least room that is enough", () => {
    const packed = packExamples(
      [6, 4, 7, 3].map((length, i) => ({ id: `e${i}`, ids: new Int32Array(length).fill(i) })),
      10,
    );
    expect(packed.map(({ id }) => id)).toEqual(["e2 + e3", "e0 + e1"]);
    const [batch] = [...textBatches({ ...base, examples: packed.slice(0, 1), shuffle: false })];
    expect(rows(batch!.segmentIds!)).toEqual([[1, 1, 1, 1, 1, 1, 1, 2, 2, 2]]);
    expect(rows(batch!.positionIds)).toEqual([[0, 1, 2, 3, 4, 5, 6, 0, 1, 2]]);
  });

  test("keeps labels that carry no loss, and refuses what does not fit", () => {
    const [row] = packExamples([{ id: "a", ids: ids(1, 2, 3), labels: ids(ignored, ignored, 3) }], 4);
    expect([...row!.labels!]).toEqual([ignored, ignored, 3]);
    expect(() => packExamples([{ id: "a", ids: ids(1, 2, 3) }], 2)).toThrow(
      expect.objectContaining({ code: "data/bad-option", message: expect.stringMatching(/^a has 3 tokens/) }),
    );
  });
});

describe("windows", () => {
  test("cut a text into context lengths; what was read before carries no loss", () => {
    const text = ids(0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    expect(cutWindows("a", text, { length: 4 }).map((window) => [...window.ids])).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ]);
    const strided = cutWindows("a", text, { length: 6, stride: 3 });
    expect(strided.map(({ labels }) => [...labels!])).toEqual([
      [0, 1, 2, 3, 4, 5],
      [-100, -100, -100, 6, 7, 8],
      [-100, -100, -100, 9],
    ]);
    expect(cutWindows("a", text, { length: 9 }).length).toBe(1);
    expect(() => cutWindows("a", text, { length: 1 })).toThrow(
      expect.objectContaining({ code: "data/bad-option" }),
    );
  });
});

describe("facts about tokens", () => {
  test("what is cut, what carries loss, whether the end is learnt, how long examples are", () => {
    const examples = [
      { id: "a", ids: ids(1, 2, 3, 9), labels: ids(ignored, ignored, 3, 9), isTruncated: false },
      { id: "b", ids: ids(1, 2, 3, 4), labels: ids(ignored, ignored, ignored, ignored), isTruncated: true },
      { id: "c", ids: ids(1, 2), labels: ids(1, 2), isTruncated: false },
    ];
    expect(tokenFacts(examples, { endIds: [9] })).toEqual({
      examples: 3,
      tokens: 10,
      truncated: 1,
      withoutLoss: 1,
      // The first label is predicted from nothing.
      lossShare: 0.3,
      isEndTrained: true,
      lengths: { least: 2, median: 4, p90: 4, p99: 4, most: 4 },
    });
    expect(tokenFacts(examples.slice(1), { endIds: [9] }).isEndTrained).toBe(false);
  });

  test("without labels nothing is said of loss; without examples nothing fails", () => {
    const facts = tokenFacts(examplesOf(100, 50), { endIds: [2] });
    expect([facts.lossShare, facts.isEndTrained]).toEqual([undefined, undefined]);
    expect(tokenFacts([]).lengths).toEqual({ least: 0, median: 0, p90: 0, p99: 0, most: 0 });
  });

  test("percentiles are nearest ranks", () => {
    const examples = Array.from({ length: 200 }, (_, i) => ({ id: `${i}`, ids: new Int32Array(i + 1) }));
    expect(tokenFacts(examples).lengths).toEqual({ least: 1, median: 100, p90: 180, p99: 198, most: 200 });
  });
});
