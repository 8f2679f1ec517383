import { expect, test } from "vitest";
import { startOfRun } from "./checkpoint.ts";
import { judge } from "./judge.ts";

/** Verdicts of one evaluation after the other: "best", "enough", or "-". */
function verdicts(values: readonly number[], options: Parameters<typeof judge>[2] = {}): string {
  let progress = startOfRun;
  return values
    .map((score) => {
      const verdict = judge({ score }, progress, options);
      progress = verdict.progress;
      return verdict.isEnough ? "enough" : verdict.isBest ? "best" : "-";
    })
    .join(" ");
}

test("an equal evaluation is no better", () => expect(verdicts([0.5, 0.5, 0.6])).toBe("best - best"));

test("NaN is never the best", () => expect(verdicts([Number.NaN, 0.1, Number.NaN])).toBe("- best -"));

test("smaller may be better", () =>
  expect(verdicts([3, 2, 4], { metric: { name: "score", mode: "min" } })).toBe("best best -"));

test("patience counts from the last gain", () =>
  expect(verdicts([1, 0, 2, 0, 0], { earlyStopping: { patience: 2 } })).toBe("best - best - enough"));

test("a gain smaller than minDelta is the best, but does not renew patience", () =>
  expect(verdicts([1, 1.05, 1.08], { earlyStopping: { patience: 2, minDelta: 0.1 } })).toBe(
    "best best enough",
  ));

test("among equals the second metric decides", () => {
  const metric = { name: "score", mode: "max", tie: { name: "loss", mode: "min" } } as const;
  let progress = startOfRun;
  const found = [
    [0.5, 2],
    [0.5, 1],
    [0.5, 1],
    [0.4, 0],
    [0.6, 3],
  ].map(([score, loss]) => {
    const verdict = judge({ score: score!, loss: loss! }, progress, { metric });
    progress = verdict.progress;
    return verdict.isBest;
  });
  expect(found).toEqual([true, true, false, false, true]);
});

test("a second metric that is not finite decides nothing, also after a resume", () => {
  const metric = { name: "score", mode: "max", tie: { name: "loss", mode: "max" } } as const;
  const { progress } = judge({ score: 0.5, loss: Number.NaN }, startOfRun, { metric });
  const resumed = JSON.parse(JSON.stringify(progress)) as typeof progress;
  for (const from of [progress, resumed])
    expect(judge({ score: 0.5, loss: 1 }, from, { metric }).isBest).toBe(false);
});
