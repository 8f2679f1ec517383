import { expect, test } from "vitest";
import { random, randomWords } from "./random.ts";

test.each([0, 1, 2 ** 31 + 5, 2 ** 40 + 3])("words at once are those of the stream: seed %i", (seed) => {
  const words = randomWords(1003, seed, "mask", 7);
  const { uniform } = random(seed, "mask", 7);
  expect(words).toHaveLength(1003);
  for (const word of words) expect(word / 2 ** 32).toBe(uniform());
});
