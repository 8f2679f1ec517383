import { expect, test } from "vitest";
import { retrievalMetrics } from "./similarity.ts";

const vector = (x: number, y: number) => Float32Array.of(x, y);

test("a query's own document is ranked among all", () => {
  const [east, north] = [vector(1, 0), vector(0, 1)];
  const near = vector(0.8, 0.6);
  const texts = ["a", "b", "c"].map((name) => [`${name}?`, name] as const);
  const { ranks, recallAt1, mrrAt10 } = retrievalMetrics([east, north, near], [east, near, north], texts);
  expect(ranks).toEqual([1, 2, 3]);
  expect([recallAt1, mrrAt10]).toEqual([1 / 3, (1 + 1 / 2 + 1 / 3) / 3]);
});

test("a model that takes all texts for the same finds nothing", () => {
  const all = Array.from({ length: 20 }, () => vector(1, 0));
  const texts = all.map((_, i) => [`q${i}`, `d${i}`] as const);
  expect(retrievalMetrics(all, all, texts)).toMatchObject({ recallAt1: 0, recallAt10: 0, mrrAt10: 0 });
});

test("a document that is there twice, or that answers the same query, stands before no other", () => {
  const [east, north] = [vector(1, 0), vector(0, 1)];
  const almost = vector(0.6, 0.8);
  const queries = [east, east, north];
  const documents = [almost, east, almost];
  // both queries have the same answer
  const answer = [
    ["p?", "same"],
    ["q?", "east"],
    ["r?", "same"],
  ] as const;
  expect(retrievalMetrics(queries, documents, answer).ranks).toEqual([2, 1, 1]);
  // one query has two answers
  const asked = [
    ["p?", "one"],
    ["p?", "two"],
    ["r?", "three"],
  ] as const;
  expect(retrievalMetrics(queries, documents, asked).ranks).toEqual([2, 1, 2]);
});
