/** Shape of the learning rate over a stage, a multiplier on the base rate as a function of progress. */
export interface ScheduleSpec {
  readonly kind: "constant" | "linear" | "cosine" | "slanted-triangular" | "one-cycle" | "wsd" | "restarts";
  /** Share of the stage spent warming up linearly from 0, 0…1. */
  readonly warmupShare?: number;
  /** Lowest multiplier at the end, for those that have one. */
  readonly floor?: number;
  /** WSD: share of the stage spent decaying. Restarts: number of cycles. Slanted triangular: peak share and ratio. */
  readonly decayShare?: number;
  readonly cycles?: number;
  readonly cut?: number;
  readonly ratio?: number;
}

/** One part of a run: what moves, at which rates, for how long. */
export interface Stage {
  readonly name: string;
  /** Names of the blocks that move. */
  readonly blocks: readonly string[];
  /** Multiplier on the learning rate for each moving block; absent: 1. */
  readonly multipliers: Readonly<Record<string, number>>;
  readonly epochs: number;
  readonly learningRate: number;
  readonly schedule: ScheduleSpec;
  /** Whether thawed BatchNormalization uses and follows the batch's statistics or keeps the pretrained ones. */
  readonly batchNorm: "frozen" | "training";
}

export interface Plan {
  readonly name: string;
  readonly stages: readonly Stage[];
}
