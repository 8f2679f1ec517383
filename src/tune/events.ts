/** Numbers by name, as an evaluation gives them. A metric that cannot be computed is absent, never NaN. */
export type Metrics = Readonly<Record<string, number>>;

/**
 * What happens in a run, in order. Every event survives JSON unchanged; one object a line makes up metrics.jsonl.
 *
 * `step`: optimizer steps made in the run so far. `epoch`: passes over the data begun so far, counted from 1.
 * `seconds`: time spent in the loop, summed over interruptions.
 */
export type TuneEvent =
  | RunStart
  | StageStart
  | StepDone
  | EvaluationDone
  | CheckpointSaved
  | EarlyStop
  | GradientsChecked
  | StageEnd
  | Warning
  | RunEnd;

export interface RunStart {
  readonly type: "run-start";
  readonly plan: string;
  readonly stages: readonly string[];
  /** Optimizer steps the plan foresees. */
  readonly plannedSteps: number;
  readonly examples: number;
  readonly batchSize: number;
  readonly accumulate: number;
  readonly seed: number;
  readonly device: string;
  /** Present when the run goes on from a checkpoint. */
  readonly resumedFromStep?: number;
}

export interface StageStart {
  readonly type: "stage-start";
  readonly stage: string;
  readonly step: number;
  readonly plannedSteps: number;
  /** What moves, from the input end, with the rate at the schedule's peak. */
  readonly blocks: readonly { readonly name: string; readonly rate: number; readonly elements: number }[];
  readonly compileSeconds: number;
}

export interface StepDone {
  readonly type: "step";
  readonly stage: string;
  readonly epoch: number;
  readonly step: number;
  /** Mean over the step's examples. */
  readonly loss: number;
  /** Rate of each moving block. */
  readonly rates: Readonly<Record<string, number>>;
  /** Global L2 norm before clipping. */
  readonly gradientNorm: number;
  readonly examplesPerSecond: number;
  readonly seconds: number;
}

export interface EvaluationDone {
  readonly type: "evaluation";
  readonly stage: string;
  readonly epoch: number;
  readonly step: number;
  readonly metrics: Metrics;
  /** Mean loss of the steps since the evaluation before; absent when there was none. */
  readonly trainLoss?: number;
  /** Whether this is the best of the run so far. */
  readonly isBest: boolean;
  readonly seconds: number;
}

export interface CheckpointSaved {
  readonly type: "checkpoint";
  readonly step: number;
  readonly seconds: number;
}

export interface EarlyStop {
  readonly type: "early-stop";
  readonly stage: string;
  readonly step: number;
  /** Of the run, which may be of an earlier stage. */
  readonly best: Best;
}

/** Which of the parameters that move have had a gradient in the first steps of a stage. */
export interface GradientsChecked {
  readonly type: "gradients";
  readonly stage: string;
  readonly step: number;
  /** Steps that were looked at. */
  readonly steps: number;
  readonly parameters: number;
  /** Names of those whose gradient was exactly 0 in all of them. */
  readonly without: readonly string[];
}

export interface StageEnd {
  readonly type: "stage-end";
  readonly stage: string;
  readonly step: number;
  readonly seconds: number;
}

export interface Warning {
  readonly type: "warning";
  readonly kind: "zero-gradient";
  readonly message: string;
  readonly step: number;
}

/** Why a run ended. "stopped": its AbortSignal was given; it can be resumed. */
export type EndReason = "completed" | "max-steps" | "max-seconds" | "stopped";

export interface RunEnd {
  readonly type: "run-end";
  readonly reason: EndReason;
  readonly step: number;
  readonly epoch: number;
  readonly seconds: number;
  readonly best?: Best;
}

/** The best evaluation of a run. */
export interface Best {
  readonly step: number;
  readonly metric: string;
  readonly value: number;
  /** What decided among evaluations of equal value, when the run has such a metric. */
  readonly tie?: number;
}
