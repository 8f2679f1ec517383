/** Shape of the learning rate over a stage: a multiplier on the base rate as a function of progress. */
export interface ScheduleSpec {
  readonly kind: "constant" | "linear" | "cosine" | "slanted-triangular" | "one-cycle" | "wsd" | "restarts";
  /** Share of the stage spent warming up linearly, 0…1. Default 0. */
  readonly warmupShare?: number;
  /** Multiplier at the first step of the warm-up, 0…1. Default 0. */
  readonly warmupFrom?: number;
  /** Lowest multiplier, reached at the end: linear, cosine, wsd, restarts. Default 0. */
  readonly floor?: number;
  /** WSD: share of the stage spent decaying (default 0.1), and the shape of the decay (default "cosine"). */
  readonly decayShare?: number;
  readonly decayShape?: "linear" | "cosine" | "sqrt";
  /** Restarts: number of cycles (default 2), each `growth` times as long as the one before (default 1). */
  readonly cycles?: number;
  readonly growth?: number;
  /** Slanted triangular, one-cycle: share of the stage before the peak (0.1 and 0.3). */
  readonly cut?: number;
  /** Slanted triangular: peak over lowest rate (default 32). */
  readonly ratio?: number;
  /** One-cycle: peak over first rate (default 25), and first over last rate (default 10⁴). */
  readonly divide?: number;
  readonly finalDivide?: number;
}

/** One part of a run: what moves, at which rates, for how long. */
export interface Stage {
  readonly name: string;
  /** Names of the blocks that move, from the input end. */
  readonly blocks: readonly string[];
  /** Multiplier on the learning rate for each moving block; absent: 1. */
  readonly multipliers: Readonly<Record<string, number>>;
  /** Which of their parameters move: all, or only biases and scales, and the whole head. Default "all". */
  readonly parameters?: "all" | "biases";
  /** May be a fraction: 0.5 is half the batches of an epoch. */
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
