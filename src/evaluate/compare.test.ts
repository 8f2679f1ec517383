import { describe, expect, test } from "vitest";
import { classificationMetrics } from "../tasks/classification-metrics.ts";
import { compareEvaluations, mcnemarTest } from "./compare.ts";

/** Predictions of two classes, all labelled 1: `right` says which are predicted so. */
const judged = (right: readonly boolean[]) =>
  right.map((isRight, i) => ({ id: `image${i}`, label: 1, predicted: isRight ? 1 : 0 }));
const times = (n: number, value: boolean) => new Array<boolean>(n).fill(value);

describe("McNemar's exact test", () => {
  test("3 lost, 10 gained: 2·(1 + 13 + 78 + 286)/2¹³", () => {
    const before = judged([...times(3, true), ...times(10, false), ...times(5, true)]);
    const after = judged([...times(3, false), ...times(10, true), ...times(5, true)]);
    expect(mcnemarTest(before, after)).toMatchObject({ lost: 3, gained: 10 });
    expect(mcnemarTest(before, after).pValue).toBeCloseTo(756 / 8192, 12);
  });
  test("no change, and an even split, are no evidence", () => {
    expect(mcnemarTest(judged([true, false]), judged([true, false])).pValue).toBe(1);
    expect(mcnemarTest(judged([true, false]), judged([false, true])).pValue).toBe(1);
  });
  test("thousands of changes do not underflow to a wrong answer", () => {
    const before = judged([...times(1500, true), ...times(1500, false)]);
    const after = judged([...times(1500, false), ...times(1500, true)]);
    expect(mcnemarTest(before, after).pValue).toBeCloseTo(1, 6);
  });
  test("refuses lists about different examples", () => {
    expect(() => mcnemarTest(judged([true]), judged([true, true]))).toThrow(/image1/);
    expect(() => mcnemarTest(judged([true, true]), judged([true]))).toThrow(/2 predictions/);
  });
});

test("a comparison says which way each metric went", () => {
  const metrics = (probability: number) =>
    classificationMetrics([{ label: 0, probabilities: [probability, 1 - probability] }], 2);
  const { changes } = compareEvaluations(
    { metrics: metrics(0.4), predictions: judged([false]) },
    { metrics: metrics(0.9), predictions: judged([true]) },
  );
  expect(changes.map(({ metric, better }) => [metric, better])).toEqual([
    ["accuracy", true],
    ["macroF1", true],
    ["nll", true],
    ["ece", true],
  ]);
});
