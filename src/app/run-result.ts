import type { McNemar } from "../evaluate/compare.ts";
import type { Evaluation } from "../evaluate/evaluate.ts";
import type { ClassificationMetrics } from "../tasks/classification-metrics.ts";
import type { Plan } from "../tune/plan.ts";
import type { Mistake } from "./report/report.ts";

/** What came of a run, kept as result.json in its folder: all that a report needs besides recipe, run.json and events. */
export interface RunResult {
  readonly model: string;
  readonly data: string;
  readonly origin: string;
  readonly split: string;
  readonly classes: readonly string[];
  /** Training images of each class. */
  readonly trainCounts: readonly number[];
  /** Names of the blocks, from the input to the head. */
  readonly blocks: readonly string[];
  readonly plan: Plan;
  readonly isFreshHead: boolean;
  readonly before: ClassificationMetrics;
  readonly after: ClassificationMetrics;
  readonly mcnemar: McNemar;
  readonly mistakes: readonly Mistake[];
  readonly trainedSeconds: number;
  readonly steps: number;
  readonly peakMemory: number;
  readonly notes: readonly string[];
}

/** The worst mistakes of an evaluation with class names; `pictures` by example id, as data URIs. */
export function mistakesOf(
  { worst }: Evaluation,
  classes: readonly string[],
  pictures: ReadonlyMap<string, string>,
): Mistake[] {
  return worst.map(({ id, label, predicted, probability }) => ({
    id,
    label: classes[label]!,
    predicted: classes[predicted]!,
    probability,
    picture: pictures.get(id) ?? "",
  }));
}
