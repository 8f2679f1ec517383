import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { entitiesOf, entityMetrics } from "./entities.ts";

interface Case {
  readonly wanted: readonly (readonly string[])[];
  readonly predicted: readonly (readonly string[])[];
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  readonly accuracy: number;
  readonly perType: Readonly<
    Record<string, { precision: number; recall: number; "f1-score": number; support: number }>
  >;
}

const cases: readonly Case[] = JSON.parse(
  readFileSync(new URL("../../tests/fixtures/entities.json", import.meta.url), "utf8"),
);

describe("entities", () => {
  test.each(cases.map((one, i) => [i, one] as const))("scores are seqeval's, scheme %s", (_, one) => {
    const sentences = one.wanted.map((wanted, i) => ({ wanted, predicted: one.predicted[i]! }));
    const found = entityMetrics(sentences);
    expect(found.precision).toBeCloseTo(one.precision, 12);
    expect(found.recall).toBeCloseTo(one.recall, 12);
    expect(found.f1).toBeCloseTo(one.f1, 12);
    expect(found.wordAccuracy).toBeCloseTo(one.accuracy, 12);
    expect(found.perType.map(({ type }) => type)).toEqual(Object.keys(one.perType).sort());
    for (const { type, f1, support } of found.perType) {
      expect(f1, type).toBeCloseTo(one.perType[type]!["f1-score"], 12);
      expect(support, type).toBe(one.perType[type]!.support);
    }
  });

  test("an entity begins where the type changes, and at an I- after O", () => {
    expect(entitiesOf(["I-PER", "I-LOC", "O", "I-LOC", "B-LOC"])).toEqual([
      { type: "PER", start: 0, end: 1 },
      { type: "LOC", start: 1, end: 2 },
      { type: "LOC", start: 3, end: 4 },
      { type: "LOC", start: 4, end: 5 },
    ]);
  });
});
