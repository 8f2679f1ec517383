import { DiapasonError } from "../base/errors.ts";
import type { Progress } from "./checkpoint.ts";
import type { Metrics } from "./events.ts";
import type { TuneLoopOptions } from "./options.ts";

/** What an evaluation means for the run. */
export interface Verdict {
  readonly isBest: boolean;
  /** Whether the stage has gone on for too long without a better evaluation. */
  readonly isEnough: boolean;
  readonly progress: Progress;
}

/**
 * Compares an evaluation with those before. The best is the run's, patience is the stage's: a stage that starts lower
 * than the one before ended has its chance.
 * @throws tune/bad-option when the metric to go by is not among those evaluated.
 */
export function judge(
  metrics: Metrics,
  progress: Progress,
  { metric, earlyStopping }: Pick<TuneLoopOptions, "metric" | "earlyStopping">,
): Verdict {
  const name = metric?.name ?? Object.keys(metrics)[0];
  const value = name === undefined ? undefined : metrics[name];
  if (name === undefined || value === undefined)
    throw new DiapasonError(
      "tune/bad-option",
      `The run goes by the metric "${name}"; the evaluation gave ${Object.keys(metrics).join(", ") || "none"}.`,
      "Name a metric that the evaluation gives.",
    );
  const sign = metric?.mode === "min" ? -1 : 1;
  const beats = (other: number | undefined, by: number) =>
    Number.isFinite(value) && (other === undefined || sign * (value - other) > by);
  const second = metric?.tie && metrics[metric.tie.name];
  // what is not finite decides nothing, and a checkpoint's JSON could not hold it
  const tie = Number.isFinite(second) ? second : undefined;
  const isBest =
    beats(progress.best?.value, 0) || (value === progress.best?.value && winsTie(tie, progress, metric));
  const isGain = beats(progress.stageBest, earlyStopping?.minDelta ?? 0);
  const evaluationsSinceBest = isGain ? 0 : progress.evaluationsSinceBest + 1;
  return {
    isBest,
    isEnough: earlyStopping !== undefined && evaluationsSinceBest >= earlyStopping.patience,
    progress: {
      ...progress,
      lossSum: 0,
      lossCount: 0,
      evaluationsSinceBest,
      ...(isGain ? { stageBest: value } : {}),
      ...(isBest
        ? { best: { step: progress.step, metric: name, value, ...(tie === undefined ? {} : { tie }) } }
        : {}),
    },
  };
}

/** Whether the second metric is better than that of the best, which has the same first. */
function winsTie(tie: number | undefined, { best }: Progress, metric: TuneLoopOptions["metric"]): boolean {
  if (tie === undefined || best?.tie === undefined) return false;
  return metric?.tie?.mode === "min" ? tie < best.tie : tie > best.tie;
}
