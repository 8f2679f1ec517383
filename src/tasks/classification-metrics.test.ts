import { describe, expect, test } from "vitest";
import {
  calibrationError,
  classificationMetrics,
  softmax,
  wilsonInterval,
} from "./classification-metrics.ts";

describe("calibration error", () => {
  const confidences = [0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5];
  const correct = [1, 1, 1, 0, 1, 1, 0, 1, 0, 0].map(Boolean);
  test("15 bins (lo, hi]", () => expect(calibrationError(confidences, correct)).toBeCloseTo(0.245, 6));
  test("10 bins: every value sits on an edge", () =>
    expect(calibrationError(confidences, correct, 10)).toBeCloseTo(0.185, 6));
  test("0 and 1 have bins, nothing is perfectly calibrated", () => {
    expect(calibrationError([0, 1], [false, true])).toBe(0);
    expect(calibrationError([], [])).toBe(0);
  });
});

describe("Wilson interval", () => {
  test("8 of 10", () => {
    const [low, high] = wilsonInterval(8, 10);
    expect(low).toBeCloseTo(0.4901625, 6);
    expect(high).toBeCloseTo(0.9433178, 6);
  });
  test("stays inside 0…1", () => {
    expect(wilsonInterval(0, 3)[0]).toBe(0);
    expect(wilsonInterval(3, 3)[1]).toBe(1);
    expect(wilsonInterval(0, 0)).toEqual([0, 1]);
  });
});

describe("classification metrics", () => {
  const row = (label: number, ...logits: number[]) => ({ label, probabilities: softmax(logits) });
  // scikit-learn 1.x, f1_score(average="macro"), on y = 0 0 1 1 2, predicted = 0 1 1 1 0
  const metrics = classificationMetrics(
    [row(0, 2, 1, 0), row(0, 0, 2, 1), row(1, 0, 1, 0), row(1, 0, 3, 0), row(2, 1, 0, 0)],
    3,
  );
  test("accuracy and confusion", () => {
    expect(metrics.accuracy).toBeCloseTo(0.6, 12);
    expect(metrics.confusion).toEqual([
      [1, 1, 0],
      [0, 2, 0],
      [1, 0, 0],
    ]);
    expect(metrics.top5).toBeUndefined();
  });
  test("per class and macro F1: a class never predicted scores 0", () => {
    expect(metrics.perClass[0]).toEqual({ precision: 0.5, recall: 0.5, f1: 0.5, support: 2 });
    expect(metrics.perClass[1]!.f1).toBeCloseTo(0.8, 12);
    expect(metrics.perClass[2]).toEqual({ precision: 0, recall: 0, f1: 0, support: 1 });
    expect(metrics.macroF1).toBeCloseTo(1.3 / 3, 12);
  });
  test("negative log-likelihood of one row", () =>
    expect(classificationMetrics([row(0, 2, 1, 0)], 3).nll).toBeCloseTo(0.407606, 6));
  test("top five counts the true class among five, the first of equals first", () => {
    const six = classificationMetrics([row(0, 0, 1, 2, 3, 4, 5), row(1, 0, 1, 2, 3, 4, 5)], 6);
    expect(six.top5).toBe(0.5);
    expect(classificationMetrics([row(5, 1, 1, 1, 1, 1, 1)], 6).top5).toBe(0);
  });
  test("a class that neither occurs nor is predicted does not count in macro F1", () =>
    expect(classificationMetrics([row(0, 2, 0, 0)], 3).macroF1).toBe(1));
  test("nothing at all", () => {
    const empty = classificationMetrics([], 2);
    expect([empty.accuracy, empty.nll, empty.ece, empty.macroF1]).toEqual([0, 0, 0, 0]);
  });
});

test("softmax survives large logits", () => {
  expect([...softmax([1000, 1000])]).toEqual([0.5, 0.5]);
  expect([...softmax([-1000, 0])]).toEqual([0, 1]);
});
