import { describe, expect, test } from "vitest";
import { choose, type Sampling } from "./generate.ts";

const sampling: Sampling = {
  temperature: 1,
  topK: 0,
  topP: 1,
  repetitionPenalty: 1,
  stop: new Set(),
  seed: 0,
};
/** log of 0.5, 0.3, 0.15, 0.05. */
const logits = [0.5, 0.3, 0.15, 0.05].map(Math.log);

/** Shares of the tokens over evenly spread draws. */
function shares(options: Partial<Sampling>, seen: readonly number[] = []): number[] {
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 1000; i++)
    counts[choose(logits, seen, { ...sampling, ...options }, (i + 0.5) / 1000)]! += 1;
  return counts.map((count) => count / 1000);
}

describe("the next token", () => {
  test("is drawn by its probability", () => {
    expect(shares({})).toEqual([0.5, 0.3, 0.15, 0.05]);
  });
  test("is the likeliest at temperature 0, and nearly so at a low one", () => {
    expect(shares({ temperature: 0 })).toEqual([1, 0, 0, 0]);
    expect(shares({ temperature: 0.1 })[0]).toBeGreaterThan(0.99);
  });
  test("is among the k likeliest", () => {
    expect(shares({ topK: 2 })).toEqual([0.625, 0.375, 0, 0]);
  });
  test("is among the likeliest that have a share together, the one that reaches it included", () => {
    expect(shares({ topP: 0.5 })).toEqual([1, 0, 0, 0]);
    expect(shares({ topP: 0.6 })).toEqual([0.625, 0.375, 0, 0]);
  });
  test("is less likely where it is there already", () => {
    // Scores below 0 are multiplied: log 0.5 · 2 is log 0.25.
    const [first] = shares({ repetitionPenalty: 2 }, [0, 0]);
    expect(first).toBeCloseTo(0.25 / 0.75, 2);
  });
});
