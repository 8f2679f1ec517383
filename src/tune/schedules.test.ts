import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { ScheduleSpec } from "./plan.ts";
import { cosine, oneCycle, restarts, type Schedule, scheduleOf, warmup } from "./schedules.ts";

interface Reference {
  readonly cases: readonly {
    readonly name: string;
    readonly spec: ScheduleSpec;
    readonly steps: number;
    readonly rates: readonly number[];
  }[];
}
const reference = JSON.parse(
  readFileSync(new URL("../../tests/fixtures/schedules/reference.json", import.meta.url), "utf8"),
) as Reference;

const plot = (schedule: Schedule) => [0, 0.25, 0.5, 0.75, 1].map((t) => schedule(t).toFixed(3)).join(" ");

for (const { name, spec, steps, rates } of reference.cases)
  test(`${name} gives the same rate at every step`, () => {
    const schedule = scheduleOf(spec, steps);
    const worst = Math.max(...rates.map((rate, step) => Math.abs(rate - schedule(step))));
    expect(rates).toHaveLength(steps);
    expect(worst).toBeLessThan(1e-6);
  });

test("warmup hands over exactly at its share", () =>
  expect(plot(warmup(0.25, cosine()))).toBe("0.000 1.000 0.750 0.250 0.000"));

test("restarts start again and end at the floor", () =>
  expect(plot(restarts(2, 0.1))).toBe("1.000 0.550 1.000 0.550 0.100"));

test("slanted triangular follows ULMFiT's constants", () => {
  const schedule = scheduleOf({ kind: "slanted-triangular" }, 1000);
  const rates = [0, 50, 100, 550, 1000].map((step) => 0.01 * schedule(step));
  const expected = [0.0003125, 0.00515625, 0.01, 0.00515625, 0.0003125];
  rates.forEach((rate, i) => void expect(rate).toBeCloseTo(expected[i]!, 9));
});

test("one-cycle over progress follows fastai's constants", () => {
  const schedule = oneCycle();
  const expected = [4e-5, 5.2e-4, 1e-3, 7.500025e-4, 1e-8];
  [0, 0.125, 0.25, 0.5, 1].forEach((t, i) => void expect(1e-3 * schedule(t)).toBeCloseTo(expected[i]!, 10));
});

test("one-cycle over steps follows torch's golden values", () => {
  const schedule = scheduleOf({ kind: "one-cycle" }, 100);
  const expected = [4e-5, 5.4599e-4, 1e-3, 5.00002e-4, 4e-9];
  [0, 15, 29, 64, 99].forEach((step, i) => void expect(1e-3 * schedule(step)).toBeCloseTo(expected[i]!, 8));
});

const kinds = ["constant", "linear", "cosine", "slanted-triangular", "one-cycle", "wsd", "restarts"] as const;
test.each(kinds)("%s stays within 0 … 1 and trains, however short the stage", (kind) => {
  for (const steps of [1, 2, 3, 7, 19])
    for (const shares of [
      {},
      { warmupShare: 0.1 },
      { warmupShare: 1 },
      { cut: 0 },
      { cut: 1 },
      { warmupShare: 0.5, cut: 1 },
    ]) {
      const schedule = scheduleOf({ kind, ...shares }, steps);
      const multipliers = Array.from({ length: steps }, (_, step) => schedule(step));
      expect(Math.min(...multipliers)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...multipliers)).toBeLessThanOrEqual(1);
      expect(Math.max(...multipliers)).toBeGreaterThan(0);
    }
});
