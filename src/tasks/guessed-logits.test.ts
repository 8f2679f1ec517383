import { expect, test } from "vitest";
import { checkGuess } from "./guessed-logits.ts";

const values = (n: number, of: (i: number) => number) => Array.from({ length: n }, (_, i) => of(i));
const shares = { term: "bce:y=t", output: "y" };
const classes = { term: "cross-entropy:y=t", output: "y", classAxis: 1 };

test("logits pass", () => {
  expect(checkGuess(shares, { dims: [20, 1], data: values(20, (i) => i - 3) })).toEqual([]);
  expect(checkGuess(classes, { dims: [2, 3], data: [2, 1, 0, 0, 0, 3] })).toEqual([]);
  expect(checkGuess(classes, { dims: [0, 3], data: [] })).toEqual([]);
});

test("what can only be probabilities is refused, what may be is noted", () => {
  expect(() => checkGuess(shares, { dims: [20, 1], data: values(20, (i) => i / 20) })).toThrow(
    "gives probabilities",
  );
  expect(checkGuess(shares, { dims: [4, 1], data: [0.1, 0.2, 0.3, 0.4] })[0]).toContain("between 0 and 1");
  expect(() => checkGuess(classes, { dims: [2, 2], data: [0.25, 0.75, 1, 0] })).toThrow(
    "2 classes lie between 0 and 1 and sum",
  );
  expect(checkGuess(classes, { dims: [2, 2], data: [0.25, 0.5, 1, 0] })[0]).toContain("between 0 and 1");
  // [batch 1, classes 2, places 2]: the classes of a place sum to 1, neighbours in memory do not.
  expect(() => checkGuess(classes, { dims: [1, 2, 2], data: [0.2, 0.5, 0.8, 0.5] })).toThrow("sum to 1");
});
