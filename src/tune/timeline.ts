import type { TuneLoopOptions } from "./options.ts";
import type { Stage } from "./plan.ts";

/** How long the parts of a run are. */
export interface Timeline {
  readonly batchesPerEpoch: number;
  /** Optimizer steps of an epoch; the last one may take fewer batches than the others. */
  readonly stepsPerEpoch: number;
  stepsOf(stage: Stage): number;
  readonly plannedSteps: number;
}

export function timelineOf({ data, batchSize, accumulate = 1, plan }: TuneLoopOptions): Timeline {
  const batchesPerEpoch = Math.ceil(data.size / batchSize);
  const stepsPerEpoch = Math.ceil(batchesPerEpoch / accumulate);
  const stepsOf = (stage: Stage) => Math.max(1, Math.round(stage.epochs * stepsPerEpoch));
  const plannedSteps = plan.stages.reduce((sum, stage) => sum + stepsOf(stage), 0);
  return { batchesPerEpoch, stepsPerEpoch, stepsOf, plannedSteps };
}
