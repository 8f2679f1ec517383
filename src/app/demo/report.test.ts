import { describe, expect, test } from "vitest";
import { DemoRecord, type DemoResult } from "./events.ts";
import { leadOf } from "./report.ts";

const result = (accuracy: number, curve: readonly (readonly [number, number])[]): DemoResult => ({
  seconds: 9,
  steps: 20,
  test: { examples: 1000, accuracy, accuracyInterval: [0, 1], macroF1: accuracy, nll: 0, ece: 0 },
  curve: curve.map(([seconds, share]) => ({ seconds, examples: 0, accuracy: share })),
});

describe("leadOf", () => {
  const curve = [
    [1, 0.5],
    [2, 0.8],
    [3, 0.9],
  ] as const;
  test("says by how much and when the tuned network was ahead", () => {
    const results = {
      pretrained: result(0.95, curve),
      scratch: result(0.9, [
        [4, 0.7],
        [8, 0.75],
      ]),
    };
    expect(leadOf({ perClass: 10, results })).toContain(
      "That is 5.0 % of the images more. It passes the best validation accuracy of the other after 2.0 s.",
    );
  });
  test("says it as plainly when it was behind", () => {
    const results = { pretrained: result(0.85, curve), scratch: result(0.9, [[4, 0.95]]) };
    expect(leadOf({ perClass: 10, results })).toMatch(/That is 5\.0 % of the images fewer\.$/);
  });
});

test("a record counts the images seen; the last batch of an epoch is short", () => {
  const record = new DemoRecord();
  const common = { stage: "all", epoch: 1, metrics: { accuracy: 0.5 }, isBest: true, seconds: 1 } as const;
  record.take({
    type: "run-start",
    plan: "p",
    stages: ["all"],
    plannedSteps: 6,
    examples: 25,
    batchSize: 10,
    accumulate: 1,
    seed: 0,
    device: "cpu",
  });
  for (const step of [1, 3, 5]) record.take({ type: "evaluation", ...common, step });
  expect(record.result).toBeUndefined();
  record.take({ type: "run-end", reason: "completed", step: 6, epoch: 2, seconds: 2 });
  record.take({
    type: "saved",
    out: "",
    run: "",
    report: "",
    split: "test",
    unit: "images",
    goal: "accuracy",
    before: { ...result(0, []).test, metrics: {} },
    after: { ...result(1, []).test, metrics: {} },
    pValue: 1,
  });
  expect(record.result?.curve.map(({ examples }) => examples)).toEqual([10, 25, 45]);
});
