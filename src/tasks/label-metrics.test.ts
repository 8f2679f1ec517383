import { expect, test } from "vitest";
import { regressionMetrics } from "./label-metrics.ts";

test("equal numbers are correlated with nothing, although their mean is another by the last digit", () => {
  const same = (value: number) => Array.from({ length: 3 }, () => value);
  expect((0.1 + 0.1 + 0.1) / 3).not.toBe(0.1);
  expect(regressionMetrics(same(0.1), same(0.1))).toMatchObject({ mse: 0, pearson: 0, spearman: 0 });
  expect(regressionMetrics(same(0.1), [1, 2, 3])).toMatchObject({ pearson: 0, spearman: 0 });
});

test("equals share a rank, as in scipy's spearmanr", () => {
  const { pearson, spearman } = regressionMetrics([1, 2, 2, 3], [10, 20, 30, 40]);
  expect(spearman).toBeCloseTo(0.9486832980505138, 12);
  expect(pearson).toBeCloseTo(0.9486832980505138, 12);
});
